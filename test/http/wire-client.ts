/** HTTP as bytes on a socket: for requests that no client would send, and answers seen to the letter. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export type HeaderLine = readonly [name: string, value: string];

export interface WireAnswer {
  readonly status: number;
  /** As they came, names in lower case. */
  readonly headers: readonly HeaderLine[];
  readonly text: string;
  /** The parsed body; undefined where it is not JSON. */
  readonly body: unknown;
}

export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: readonly HeaderLine[];
  readonly body?: string | Uint8Array;
}

/** Sends one request on a connection of its own, with exactly these header lines besides Host, Connection and Content-Length. */
export async function exchange(url: string, { method, path, headers = [], body }: WireRequest): Promise<WireAnswer> {
  const { host } = new URL(url);
  const bytes = Buffer.from(body ?? '');
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines: HeaderLine[] = [...headers];
  if (!names.has('host')) lines.unshift(['Host', host]);
  if (!names.has('connection')) lines.push(['Connection', 'close']);
  if (body !== undefined && !names.has('content-length')) lines.push(['Content-Length', String(bytes.length)]);
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return exchangeBytes(url, Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${head}\r\n`, 'latin1'), bytes]));
}

/** Sends these bytes and reads what comes until the server closes; it must answer something. */
export async function exchangeBytes(url: string, bytes: string | Uint8Array): Promise<WireAnswer> {
  const text = await converse(url, (socket) => socket.write(bytes));
  return parsed(text);
}

/** Opens a connection, lets the caller write, and returns everything that comes until the server closes it. */
export async function converse(url: string, write: (socket: Socket) => void): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname.replace(/^\[(.*)\]$/, '$1'));
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A server that cuts us off while we write resets the connection; what it had said before counts.
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  write(socket);
  await closed;
  return Buffer.concat(chunks).toString('utf8');
}

/** Sends this head, and behind it chunks without an end, until the connection goes: what came back, and what went out. */
export async function pour(url: string, head: string): Promise<{ readonly text: string; readonly written: number }> {
  let written = 0;
  const text = await converse(url, (socket) => {
    socket.write(head);
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
    const more = (): void => {
      while (!socket.destroyed && socket.writable) {
        written += chunk.length;
        if (!socket.write(chunk)) return;
      }
    };
    socket.on('drain', more);
    more();
  });
  return { text, written };
}

/** The first answer in what a server said. */
export function parsed(text: string): WireAnswer {
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, Math.max(0, end)).split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1];
  if (status === undefined) throw new Error(`expected an HTTP answer, got ${JSON.stringify(text.slice(0, 200))}`);
  const headers = lines.map((line): HeaderLine => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  // Whatever stands behind the body is the answer to something else.
  const length = headers.find(([name]) => name === 'content-length')?.[1];
  const rest = Buffer.from(text.slice(end + 4));
  const body = rest.subarray(0, length === undefined ? rest.length : Number(length)).toString();
  return { status: Number(status), headers, text: body, body: jsonOf(body) };
}

export function headerOf(answer: WireAnswer, name: string): string | undefined {
  return answer.headers.find(([each]) => each === name)?.[1];
}

/** All that the client can see, but for the time. */
export function fingerprint({ status, headers, text }: WireAnswer): string {
  const lines = headers.filter(([name]) => name !== 'date').map((line) => line.join(': '));
  return [status, ...lines.toSorted(), text].join('\n');
}

/** The member of an object; undefined where there is none. */
export function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
