/**
 * Plays an exchange of PROTOCOL.md against a real server: does what the lines of the clients say, and writes down what the
 * server says, ids, secrets and times masked, so that the two listings can be compared.
 */
import { Webhook } from 'standardwebhooks';
import { WebSocket } from 'ws';
import { API_KEY } from '../fixtures/back-end.ts';
import type { ManualClock } from '../fixtures/manual-clock.ts';
import type { TestServer } from '../fixtures/server.ts';
import { Channel } from './channel.ts';

/** Of the source `acme`, in every exchange with webhooks. */
export const WEBHOOK_SECRET = `whsec_${Buffer.from('a secret of twenty-four bytes').toString('base64')}`;

const RECORD_SEPARATOR = '\u001e';
/** One line of a listing: who, which way, what. */
const LINE = /^(?<who>[a-z][a-z0-9 ]*?) +(?<way>→|←) (?<what>.*)$/u;
const REQUEST =
  /^(?<method>GET|POST|DELETE|OPTIONS) (?<path>\S+)(?<headers>(?: \[[\w-]+: [^\]]*\])*)(?: (?:(?<special>upgrade|as a stream|again and again)|(?<body>.+)))?$/u;
const LATER = /^— (?<seconds>\d+) s later$/u;
const DRAIN = '— the server drains';
const ATTACH = /^— the page attaches(?: with \?(?<query>\S+))?$/u;
/** Of ids and secrets: what follows is masked as `…`. */
const PREFIXES = ['txn', 'msg', 'tok', 'cbk', 'rbat', 'rbtk', 'rbcb'] as const;
/** Each page has its own; of all else there is one in an exchange, or the last one counts. */
const isOfPage = (prefix: string): boolean => prefix === 'rbtk';

export interface Stage {
  readonly server: TestServer;
  /** Turned by the lines that let time pass. */
  readonly clock: ManualClock;
}

type Known = Map<string, string>;

/** What `— the page attaches` stands for. */
function attaching(query: string | undefined): string[] {
  const added = query === undefined ? '' : `&${query}`;
  return [
    `page → POST /hub/negotiate?negotiateVersion=1${added}`,
    'page ← 200 …',
    `page → GET /hub?id=…${added}&access_token=rbtk_… upgrade`,
    'page ← 101',
    'page → {"protocol":"json","version":1}␞',
    'page ← {}␞',
  ];
}

export class Exchange implements Disposable {
  readonly #stage: Stage;
  readonly #channels = new Map<string, Channel>();
  /** What hides behind `…` for everybody: of the one transaction, as it was last seen. */
  readonly #shared: Known = new Map();
  /** By page: connection token and ticket. */
  readonly #pages = new Map<string, Known>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /**
   * The same lines, each of the server's replaced by what it really said; and behind them what else it said. A line that ends
   * in ` …` shows only the beginning of what is said.
   */
  async play(lines: readonly string[]): Promise<string[]> {
    this.#note('', JSON.stringify(await this.#stage.server.backEnd.open()));
    const played: string[] = [];
    for (const line of lines) played.push(...(await this.#scene(line)));
    for (const [who, channel] of this.#channels) played.push(...channel.rest().map((said) => `${who} ← ${this.#masked(said)}`));
    return played;
  }

  [Symbol.dispose](): void {
    for (const channel of this.#channels.values()) channel.close();
  }

  /** A line, or the several that one stands for: shown as that one if they went as they do. */
  async #scene(line: string): Promise<string[]> {
    const attach = ATTACH.exec(line);
    if (attach === null) return [await this.#step(line)];
    const expected = attaching(attach.groups?.['query']);
    const played: string[] = [];
    for (const each of expected) played.push(await this.#step(each));
    return played.every((each, index) => each === expected[index]) ? [line] : played;
  }

  async #step(line: string): Promise<string> {
    const { seconds } = LATER.exec(line)?.groups ?? {};
    if (seconds !== undefined) this.#stage.clock.advance(Number(seconds) * 1000);
    else if (line === DRAIN) void this.#stage.server.drain();
    else return this.#speak(line);
    return line;
  }

  async #speak(line: string): Promise<string> {
    const { who, way, what } = LINE.exec(line)?.groups ?? {};
    if (who === undefined || what === undefined) throw new Error(`a line that says nothing: ${line}`);
    if (way === '→') {
      this.#say(who, what);
      return line;
    }
    const said = await this.#channel(who).next(line);
    this.#note(who, said);
    const masked = this.#masked(said);
    const isAsSaid = what.endsWith(' …') && masked.startsWith(what.slice(0, -2));
    return isAsSaid ? line : line.slice(0, line.length - what.length) + masked;
  }

  #say(who: string, what: string): void {
    const { method, path = '', headers = '', special, body } = REQUEST.exec(what)?.groups ?? {};
    const channel = this.#channel(who);
    if (method === undefined) return channel.send(this.#filled(who, what));
    const url = this.#stage.server.url + this.#filled(who, path);
    if (special === 'upgrade')
      return channel.follow(new WebSocket(url.replace('http', 'ws'), { headers: this.#ownHeaders(who, headers) }));
    if (special === 'as a stream')
      return channel.listen(url, { headers: { ...this.#ownHeaders(who, headers), accept: 'text/event-stream' } });
    const init = {
      method,
      headers: path.startsWith('/webhooks/') ? this.#signed(headers, body ?? '') : this.#headers(who, path, headers),
      ...(body !== undefined && { body: this.#filled(who, body) }),
    };
    if (special === undefined) channel.request(url, init);
    else channel.poll(url, init);
  }

  /** The back end shows its key, a page its access token, or, where it has one for this connection, its ticket. */
  #headers(who: string, path: string, text: string): Record<string, string> {
    const headers: Record<string, string> = { 'content-type': 'application/json', ...this.#ownHeaders(who, text) };
    if ('authorization' in headers || path.startsWith('/callbacks/')) return headers;
    const ofConnection = path.startsWith('/hub?') ? this.#page(who).get('rbtk') : undefined;
    const bearer = who === 'back end' ? API_KEY : (ofConnection ?? this.#shared.get('rbat'));
    return { ...headers, authorization: `Bearer ${bearer}` };
  }

  /** As a provider sends them: the time and the signature, where the listing has `…` for them, are of this moment and body. */
  #signed(text: string, body: string): Record<string, string> {
    const headers = this.#ownHeaders('provider', text);
    const now = new Date(this.#stage.clock.now());
    const signature = new Webhook(WEBHOOK_SECRET).sign(headers['webhook-id'] ?? '', now, body);
    const real = { 'webhook-timestamp': String(Math.floor(now.getTime() / 1000)), 'webhook-signature': signature };
    const filled = Object.entries(real).filter(([name]) => headers[name]?.endsWith('…'));
    return { 'content-type': 'application/json', ...headers, ...Object.fromEntries(filled) };
  }

  /** Those that the listing spells out, `[name: value]`, and the origin that a browser adds. */
  #ownHeaders(who: string, text: string): Record<string, string> {
    const pairs = text.matchAll(/\[([\w-]+): ([^\]]*)\]/gu);
    const given = Object.fromEntries([...pairs].map(([, name = '', value = '']) => [name, this.#filled(who, value)]));
    return /^(page|poll|events)/u.test(who) ? { origin: this.#stage.server.url, ...given } : given;
  }

  #channel(who: string): Channel {
    const channel = this.#channels.get(who) ?? new Channel();
    this.#channels.set(who, channel);
    return channel;
  }

  /** The polls of a page are its own, and so is its stream. */
  #page(who: string): Known {
    const name = who.replace(/^(poll|events)/u, 'page');
    const page = this.#pages.get(name) ?? new Map<string, string>();
    this.#pages.set(name, page);
    return page;
  }

  #note(who: string, text: string): void {
    const page = this.#page(who);
    for (const prefix of PREFIXES) {
      const found = new RegExp(`${prefix}_[\\w-]{20,}`, 'u').exec(text)?.[0];
      if (found === undefined) continue;
      page.set(prefix, found);
      this.#shared.set(prefix, found);
    }
    const token = /"connectionToken":"([^"]+)"/u.exec(text)?.[1];
    if (token !== undefined) page.set('id', token);
  }

  /** The client's words with the real values in them. */
  #filled(who: string, text: string): string {
    const page = this.#page(who);
    let filled = text.replace('?id=…', `?id=${page.get('id') ?? 'unknown'}`).replaceAll('␞', RECORD_SEPARATOR);
    for (const prefix of PREFIXES) {
      const value = (isOfPage(prefix) ? page.get(prefix) : undefined) ?? this.#shared.get(prefix);
      if (value !== undefined) filled = filled.replaceAll(`${prefix}_…`, value);
    }
    if (filled.includes('_…')) throw new Error(`nothing is known yet for the … in ${text}`);
    return filled;
  }

  #masked(text: string): string {
    const masked = text
      .replaceAll(/"(connectionId|connectionToken|id)":"[\w-]{22}"/gu, '"$1":"…"')
      .replaceAll(/"node":"[^"]+"/gu, '"node":"…"')
      .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/gu, '"…"')
      .replaceAll(this.#stage.server.url, 'http://127.0.0.1:8080')
      .replaceAll(RECORD_SEPARATOR, '␞');
    return PREFIXES.reduce((line, prefix) => line.replaceAll(new RegExp(`${prefix}_[\\w-]{20,}`, 'gu'), `${prefix}_…`), masked);
  }
}
