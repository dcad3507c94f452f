/**
 * Requests to ASP.NET Core's own server and its answers, written down line by line, and put again to ours.
 *
 *     ## title
 *     opens /testhub                     negotiates: from here on `<token1>`, next time `<token2>`, is what later requests need
 *     ~ GET /echo?id=<token1>            a request whose answer does not matter, but that of /generateJwtToken, which is `<jwt>`
 *     > POST /echo?id=<token1> "text"    a request with its body, if any: text, hex, or hub messages as in `message {"type":6}`
 *     > Accept: text/event-stream        with this header
 *     < 200 OK                           its answer, whole: head, those headers that mean something, body
 *     > upgrade /testhub                 the request of a WebSocket; once it is one, nothing more is looked at
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import type { Exchange } from './exchange.ts';
import { inOrder } from './in-order.ts';
import { Names } from './names.ts';

const SEPARATOR = '\u001e';
const MEANINGFUL =
  /^(content-(type|length|encoding)|transfer-encoding|cache-control|pragma|expires|allow|location|set-cookie|access-control-.*|upgrade)$/;
/** Of which order, case and white space mean nothing. */
const LISTS = /^(cache-control|allow|access-control-allow-(headers|methods))$/;

interface Answer {
  readonly response: IncomingMessage;
  readonly body: Buffer;
}

/** @throws AssertionError at the first answer that differs */
export async function ask({ lines }: Exchange, url: string): Promise<void> {
  const desk = new Desk(url);
  try {
    for (let at = 0; at < lines.length;) {
      const isOwn = (line: string | undefined): boolean => /^[>~] [\w-]+: /.test(line ?? '');
      const [line = ''] = lines.slice(at);
      const end = lines.findIndex((other, index) => index > at && !other.startsWith('<') && !isOwn(other));
      const rest = lines.slice(at + 1, end === -1 ? lines.length : end);
      await desk.take(line, {
        headers: rest.filter(isOwn).map((header) => header.slice(2)),
        answer: rest.filter((other) => other.startsWith('<')).map((other) => other.slice(2)),
      });
      at += 1 + rest.length;
    }
  } finally {
    desk.end();
  }
}

class Desk {
  readonly #url: string;
  readonly #names = new Names();
  readonly #sockets = new Set<Socket>();
  #opened = 0;

  constructor(url: string) {
    this.#url = url;
    this.#names.set('base', url);
  }

  async take(line: string, more: { readonly headers: readonly string[]; readonly answer: readonly string[] }): Promise<void> {
    const [, mark, verb = '', path = '', body] = /^(?:([>~]) )?(\S+) (\S+)(?: (.*))?$/.exec(this.#names.fill(line)) ?? [];
    if (verb === 'opens') {
      await this.#open(path);
      return;
    }
    const headers = more.headers.map((header) => this.#names.fill(header).split(': '));
    const answer = await this.#send(verb, path, { headers: Object.fromEntries(headers), body: bytesOf(body) });
    if (mark === '>') this.#compare(answer, more.answer, line);
    else if (path.startsWith('/generateJwtToken')) this.#names.set('jwt', answer.body.toString());
  }

  end(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #open(path: string): Promise<void> {
    const target = `${path.replace(/(?=\?|$)/, '/negotiate')}${path.includes('?') ? '&' : '?'}negotiateVersion=1`;
    const { body } = await this.#send('POST', target, { headers: {}, body: undefined });
    const { connectionId, connectionToken } = Object(JSON.parse(body.toString()));
    this.#opened++;
    this.#names.set(`id${this.#opened}`, String(connectionId));
    this.#names.set(`token${this.#opened}`, String(connectionToken));
  }

  async #send(
    verb: string,
    path: string,
    { headers, body }: { readonly headers: Readonly<Record<string, string>>; readonly body: Buffer | undefined },
  ): Promise<Answer> {
    const isUpgrade = verb === 'upgrade';
    const { hostname, port } = new URL(this.#url);
    const length = verb === 'POST' && !('Transfer-Encoding' in headers) ? { 'Content-Length': String(body?.length ?? 0) } : {};
    const sent = request({
      host: hostname,
      port,
      path,
      method: isUpgrade ? 'GET' : verb,
      agent: false,
      headers: { ...length, ...(isUpgrade && UPGRADE), ...headers },
    });
    sent.on('socket', (socket: Socket) => this.#sockets.add(socket));
    sent.end(body);
    const [response]: IncomingMessage[] = await Promise.race([once(sent, 'response'), once(sent, 'upgrade')]);
    assert.ok(response !== undefined);
    return { response, body: response.statusCode === 101 ? Buffer.alloc(0) : Buffer.concat(await response.toArray()) };
  }

  #compare(answer: Answer, wanted: readonly string[], line: string): void {
    const got = shown(answer);
    const length = Math.max(got.length, wanted.length);
    for (let at = 0; at < length; at++)
      this.#names.compare(got[at] ?? 'no more', wanted[at] ?? 'no more', `${line}, line ${at + 1}`);
  }
}

const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

function bytesOf(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  if (text.startsWith('"')) return Buffer.from(String(JSON.parse(text)));
  if (/^[\da-f]+$/.test(text)) return Buffer.from(text, 'hex');
  return Buffer.from(
    text
      .split(/ ?message (?=\{)/)
      .slice(1)
      .map((message) => message + SEPARATOR)
      .join(''),
  );
}

function shown({ response, body }: Answer): string[] {
  const { statusCode = 0, statusMessage = '' } = response;
  if (statusCode === 101) return ['101'];
  const headers = Object.entries(response.headersDistinct).flatMap(([name, values = []]) =>
    MEANINGFUL.test(name) ? values.map((value) => `${name}: ${headerShown(name, value, body)}`) : [],
  );
  return [`${statusCode} ${statusMessage}`, ...headers.toSorted(), ...bodyShown(body, response.headers['content-type'])];
}

function headerShown(name: string, value: string, { length }: Buffer): string {
  if (name === 'content-length') return Number(value) === length ? 'right' : value;
  if (LISTS.test(name)) return value.toLowerCase().split(/, */).toSorted().join(', ');
  if (name !== 'set-cookie') return value;
  const [pair = '', ...attributes] = value.split(/; */);
  const known = attributes.map((each) =>
    each.toLowerCase().replace(/^expires=(.*)/, (_, at: string) => `expires=<${isPast(at) ? 'past' : 'future'}>`),
  );
  return [pair, ...known.toSorted()].join('; ');
}

function isPast(at: string): boolean {
  return new Date(at).getTime() < Date.now();
}

function bodyShown(body: Buffer, type = ''): string[] {
  const text = body.toString();
  if (text === '') return [];
  if (type.startsWith('application/json')) return [inOrder(JSON.parse(text))];
  if (!Buffer.from(text).equals(body) || text.includes('\0')) return [body.toString('hex')];
  if (!text.endsWith(SEPARATOR)) return [JSON.stringify(text)];
  return text
    .split(SEPARATOR)
    .slice(0, -1)
    .map((message) => `message ${inOrder(JSON.parse(message))}`);
}
