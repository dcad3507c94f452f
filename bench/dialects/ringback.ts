/**
 * Ringback as its users speak to it: open by API key, negotiate by access token, connect by ticket, ack each message by its
 * sequence.
 */
import { readDigits } from '../generator/body.ts';
import type { HttpConnection } from '../generator/http-connection.ts';
import type { Lent } from '../generator/web-socket.ts';
import { ORIGIN, request, type Credentials, type Dialect, type Page, type Place } from './dialect.ts';
import { ackInvocation, HANDSHAKE, negotiate, PING_FRAME, recordReader, textAt } from './signalr.ts';

const SEQUENCE = Buffer.from('"sequence":');
const CAUGHT_UP = 'c'.charCodeAt(0);
const MESSAGE = 'm'.charCodeAt(0);

export function ringbackDialect({ apiKey }: Credentials): Dialect {
  const json = ['Content-Type: application/json', `Authorization: Bearer ${apiKey}`];
  return {
    open: (_index, http) => open(http, json),
    greet: (page) => page.write(HANDSHAKE),
    read: recordReader({ handshake: () => undefined, invocation: read }),
    ack: ackInvocation,
    post: (id) => ({ path: `/v1/transactions/${id}/messages`, headers: json }),
    keepAlive: PING_FRAME,
    end: (id, http) => settle(id, json, http),
    countAcks: (ids, [http]) => (http === undefined ? Promise.resolve(0) : countAcked(ids, json, http)),
  };
}

async function open(http: HttpConnection, json: readonly string[]): Promise<Place> {
  const { status, body } = await http.exchange(request('POST /v1/transactions', json, '{}'));
  if (status !== 201) throw new Error(`expected 201 for a transaction, got ${status}: ${body.slice(0, 200)}`);
  const opened: unknown = JSON.parse(body);
  const bearer = `Authorization: Bearer ${textAt(opened, 'accessToken')}`;
  const { connectionToken, accessToken = '' } = await negotiate(http, [bearer, `Origin: ${ORIGIN}`]);
  return { id: textAt(opened, 'id'), path: `/hub?id=${connectionToken}&access_token=${encodeURIComponent(accessToken)}` };
}

/** As an app does when its page is done. */
async function settle(id: string, json: readonly string[], http: HttpConnection): Promise<void> {
  const { status } = await http.exchange(request(`POST /v1/transactions/${id}/settle`, json.slice(1)));
  if (status !== 200) throw new Error(`expected 200 for settling a transaction, got ${status}`);
}

function read(page: Page, record: Lent, name: number): void {
  const { bytes, start } = record;
  if (name === MESSAGE) page.take(record, readDigits(bytes, bytes.indexOf(SEQUENCE, start) + SEQUENCE.length));
  else if (name === CAUGHT_UP) page.ready();
  else throw new Error(`unexpected invocation ${bytes.toString('latin1', start, start + 80)}`);
}

/** By the receipts, which are what the sender of a message relies on. Flushed by the asking, where the one that is asked has the page. */
async function countAcked(ids: readonly string[], json: readonly string[], http: HttpConnection): Promise<number> {
  let acked = 0;
  for (const id of ids) {
    const { status, body } = await http.exchange(request(`GET /v1/transactions/${id}`, json.slice(1)));
    if (status !== 200) throw new Error(`expected 200 for the status of a transaction, got ${status}`);
    acked += Number(/"ackedSequence":(\d+)/.exec(body)?.[1]);
  }
  return acked;
}
