/** SignalR over WebSocket in JSON, as far as both SignalR servers of this benchmark speak it alike. */
import type { HttpConnection } from '../generator/http-connection.ts';
import { textFrame, type Lent } from '../generator/web-socket.ts';
import { cachedFrames, request, type Dialect, type Page } from './dialect.ts';

const SEPARATOR = 0x1e;

export const HANDSHAKE = textFrame('{"protocol":"json","version":1}\x1e');

/** What comes in one record. */
interface Records {
  /** The answer to the handshake: `{}`. */
  handshake(page: Page): void;
  /** An invocation; `name` is the first byte of its target. */
  invocation(page: Page, record: Lent, name: number): void;
}

const INVOCATION = Buffer.from('{"type":1,"target":"');
const PING = Buffer.from('{"type":6}');

/** @returns a reader of frames, each of which holds one record or more */
export function recordReader(records: Records): Dialect['read'] {
  return (page, payload) => {
    const { bytes, end } = payload;
    for (let start = payload.start; start < end;) {
      const at = bytes.indexOf(SEPARATOR, start);
      if (at === -1 || at >= end) throw new Error('a record without its end');
      payload.start = start;
      payload.end = at;
      readRecord(records, page, payload);
      start = at + 1;
    }
  };
}

function readRecord(records: Records, page: Page, record: Lent): void {
  const { bytes, start, end } = record;
  if (startsWith(record, INVOCATION)) records.invocation(page, record, bytes[start + INVOCATION.length] ?? 0);
  else if (end - start === 2) records.handshake(page);
  else if (!startsWith(record, PING))
    throw new Error(`unexpected record ${bytes.toString('latin1', start, Math.min(end, start + 120))}`);
}

/** The last byte of the type says enough in nearly every case; the rest is looked at too, for it is cheap. */
function startsWith({ bytes, start, end }: Lent, text: Buffer): boolean {
  if (end - start < text.length) return false;
  for (let at = 0; at < text.length; at++) if (bytes[start + at] !== text[at]) return false;
  return true;
}

/** `ack(sequence)` as a client sends it that wants no answer. */
export const ackInvocation = cachedFrames((sequence) => textFrame(`{"type":1,"target":"ack","arguments":[${sequence}]}\x1e`));

/** What the official clients say each 15 s. */
export const PING_FRAME = textFrame('{"type":6}\x1e');

export interface Negotiated {
  readonly connectionToken: string;
  readonly accessToken: string | undefined;
}

/** @param query what stands behind `negotiateVersion`, with its `&` */
export async function negotiate(http: HttpConnection, headers: readonly string[], query = ''): Promise<Negotiated> {
  const { status, body } = await http.exchange(request(`POST /hub/negotiate?negotiateVersion=1${query}`, headers));
  if (status !== 200) throw new Error(`expected 200 from negotiate, got ${status}: ${body.slice(0, 200)}`);
  const answer: unknown = JSON.parse(body);
  return { connectionToken: textAt(answer, 'connectionToken'), accessToken: optionalTextAt(answer, 'accessToken') };
}

/** @throws Error when the member is missing or no text */
export function textAt(value: unknown, name: string): string {
  const text = optionalTextAt(value, name);
  if (text === undefined) throw new Error(`expected a text ${name} in the answer`);
  return text;
}

function optionalTextAt(value: unknown, name: string): string | undefined {
  const member: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof member === 'string' ? member : undefined;
}
