/**
 * The port between the load generator and what a peer speaks: where a browser connects to, what it says, what a POST looks
 * like.
 */
import type { HttpConnection } from '../generator/http-connection.ts';
import type { Lent } from '../generator/web-socket.ts';

/** Where one browser connects to, and under which id messages for it are sent; all ids of a peer are equally long. */
export interface Place {
  readonly id: string;
  /** Of the WebSocket, with its query. */
  readonly path: string;
}

/** What a dialect sees of a browser. */
export interface Page {
  write(bytes: Buffer): void;
  /** The server has answered the handshake: from here on messages come. */
  ready(): void;
  /** @param sequence what the server numbered it with; 0 if it does not */
  take(message: Lent, sequence: number): void;
}

export interface Dialect {
  /** Everything that has to be asked for by HTTP before the WebSocket. */
  open(index: number, http: HttpConnection): Promise<Place>;
  /** The WebSocket is open. */
  greet(page: Page): void;
  read(page: Page, payload: Lent): void;
  /** What the browser answers its nth message with. */
  ack(sequence: number): Buffer;
  /** Path and headers of the POST that sends to this id; not the length and the host. */
  post(id: string): { readonly path: string; readonly headers: readonly string[] };
  /** What a client says each 15 s; undefined if it has nothing to say. */
  readonly keepAlive: Buffer | undefined;
  /** A page has left for good; says so where servers want to know. */
  end?(id: string, http: HttpConnection): Promise<void>;
  /** How many messages the servers know to be answered. @param https a connection to each of them */
  countAcks(ids: readonly string[], https: readonly HttpConnection[]): Promise<number>;
}

export interface Credentials {
  /** Only for who asks for one. */
  readonly apiKey: string;
}

/** What every page says that it comes from, whichever server it connects to. */
export const ORIGIN = 'http://pages.test';

/** A request of the set-up, with an optional JSON body. */
export function request(line: string, headers: readonly string[] = [], body = ''): string {
  return [`${line} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n');
}

/** Makes each frame once: acks differ only in a small number. */
export function cachedFrames(make: (sequence: number) => Buffer): (sequence: number) => Buffer {
  const frames: Buffer[] = [];
  return (sequence) => (frames[sequence] ??= make(sequence));
}

/** An id as long as a transaction's, for peers that know none. */
export function plainId(index: number): string {
  return `page_${String(index).padStart(21, '0')}`;
}

/** Asks the peers' minimal servers how many answers of browsers they have read. */
export async function countOf(https: readonly HttpConnection[]): Promise<number> {
  let count = 0;
  for (const http of https) {
    const { status, body } = await http.exchange(request('GET /acks'));
    if (status !== 200) throw new Error(`expected 200 for GET /acks, got ${status}`);
    count += Number(body);
  }
  return count;
}
