/** The hub's HTTP requests, one at a time and to the letter: negotiate, connect by a poll, send, upgrade. */
import assert from 'node:assert/strict';
import { converse, exchange, type HeaderLine, member, parsed, type WireAnswer } from './wire-client.ts';

export interface Negotiated {
  /** Empty where the answer brought none. */
  readonly ticket: string;
  readonly connectionToken: string;
}

const HANDSHAKE = '{"protocol":"json","version":1}\u001e';
const bearerLine = (secret: string): HeaderLine => ['Authorization', `Bearer ${secret}`];

export class Hub {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  request(method: string, pathAndQuery: string, headers: readonly HeaderLine[] = [], body?: string): Promise<WireAnswer> {
    return exchange(this.#url, { method, path: pathAndQuery, headers, ...(body !== undefined && { body }) });
  }

  /** With an access token, which is good. */
  async negotiate(accessToken: string): Promise<Negotiated> {
    const answer = await this.request('POST', '/hub/negotiate?negotiateVersion=1', [bearerLine(accessToken)], '');
    assert.equal(answer.status, 200, answer.text);
    const [ticket, connectionToken] = [member(answer.body, 'accessToken') ?? '', member(answer.body, 'connectionToken')];
    assert.ok(typeof ticket === 'string' && typeof connectionToken === 'string');
    return { ticket, connectionToken };
  }

  /** A connection by long polling: its handshake is answered, so the ticket belongs to it. */
  async attach(accessToken: string): Promise<Negotiated> {
    const { ticket, connectionToken } = await this.negotiate(accessToken);
    const path = `/hub?id=${connectionToken}`;
    assert.equal((await this.request('GET', path, [bearerLine(ticket)])).status, 200);
    assert.equal((await this.request('POST', path, [bearerLine(ticket)], HANDSHAKE)).status, 200);
    const { status, text } = await this.request('GET', path, [bearerLine(ticket)]);
    assert.equal(status, 200);
    assert.ok(text.startsWith('{}\u001e'), text);
    return { ticket, connectionToken };
  }

  /** The answer to a WebSocket upgrade: 101, or a refusal. */
  async upgrade(query: string, headers: readonly HeaderLine[] = []): Promise<WireAnswer> {
    const lines: HeaderLine[] = [
      ['Host', new URL(this.#url).host],
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Version', '13'],
      ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ...headers,
    ];
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const text = await converse(this.#url, (socket) => {
      socket.write(`GET /hub${query} HTTP/1.1\r\n${head}\r\n`);
      socket.once('data', () => socket.end());
    });
    return parsed(text);
  }
}
