/**
 * Exchanges with ASP.NET Core's own server, written down line by line, and played again to ours over bare WebSockets.
 *
 *     ## title
 *     a joins /testhub                        negotiates, connects, shakes hands; `a joins /testhub as messagepack`
 *     a connects to /testhub                  the same without the handshake
 *     a> {"type":6}                           sends this hub message; "…" text as it is, hex bytes as they are
 *     a< {"type":3,"invocationId":"1"}        this comes next; order of members does not matter, of hex does. `<any>` is any text, `<id a>` the
 *                                             id of a, `<unique>` something that no other exchange says, `<9 x>` nine times x, any other
 *                                             name whatever it was where it came first
 *     a goes on                               a call made now is answered next
 *     a ends with 1000                        the server closes the WebSocket with this code next
 *     a closes                                the client does, with 1000; `a closes with 1011`
 *     a joins /testhub to stay                with stateful reconnect; `a joins /testhub as messagepack to stay`
 *     a drops                                 its connection, without a word
 *     b resumes a                             its connection, on a new WebSocket
 *     b cannot resume a                       as there is no such connection any more
 */
import assert from 'node:assert/strict';
import { negotiate } from '../signalr/raw-client.ts';
import { Actor } from './actor.ts';
import { Names } from './names.ts';

export interface Exchange {
  readonly title: string;
  readonly lines: readonly string[];
}

/** Lines before the first title are a comment. */
export function readExchanges(text: string): readonly Exchange[] {
  const [, ...parts] = text.split(/^## /m);
  return parts.map((part) => {
    const [title = '', ...lines] = part.split('\n').filter((line) => line !== '');
    return { title, lines };
  });
}

/** @throws AssertionError at the first line that the server says otherwise */
export async function play({ lines }: Exchange, url: string): Promise<void> {
  const stage = new Stage(url);
  try {
    for (const line of lines) await stage.play(line);
  } finally {
    stage.end();
  }
}

class Stage {
  readonly #url: string;
  readonly #actors = new Map<string, Actor>();
  readonly #names = new Names();

  constructor(url: string) {
    this.#url = url;
    this.#names.set('unique', `exchange-${crypto.randomUUID()}`);
  }

  async play(line: string): Promise<void> {
    const [, name = '', mark = '', rest = ''] = /^(\w+)([<>]?) ?(.*)$/.exec(line) ?? [];
    if (mark === '>') this.#known(name, line).send(this.#names.fill(rest));
    else if (mark === '<') await this.#hear(this.#known(name, line), rest, line);
    else if (/^(joins|connects to) /.test(rest)) this.#actors.set(name, await this.#enter(name, rest));
    else if (rest.includes('resume')) await this.#resume(name, rest, line);
    else await this.#act(this.#known(name, line), rest, line);
  }

  async #resume(name: string, how: string, line: string): Promise<void> {
    const resumed = this.#known(how.split(' ').at(-1) ?? '', line).resume();
    if (how.startsWith('resumes ')) this.#actors.set(name, await resumed);
    else await assert.rejects(resumed, { message: 'Unexpected server response: 404' }, line);
  }

  async #act(actor: Actor, what: string, line: string): Promise<void> {
    if (what === 'goes on') assert.equal(await actor.probe(), 'goes on', line);
    else if (what.startsWith('closes')) actor.close(Number(what.split(' ')[2] ?? 1000));
    else if (what === 'drops') actor.end();
    else assert.equal(await actor.next(), what, line);
  }

  end(): void {
    for (const actor of this.#actors.values()) actor.end();
  }

  #known(name: string, line: string): Actor {
    const actor = this.#actors.get(name);
    assert.ok(actor !== undefined, `nobody is called ${name} in: ${line}`);
    return actor;
  }

  async #enter(name: string, how: string): Promise<Actor> {
    const form = /^(joins|connects to) (\S+)(?: as (\w+))?( to stay)?$/;
    const [, verb, path = '', protocol = 'json', stay] = form.exec(this.#names.fill(how)) ?? [];
    const { pathname, search } = new URL(path, this.#url);
    const query = stay === undefined ? search.slice(1) : `${search.slice(1)}&useStatefulReconnect=true`;
    const { connectionId, url } = await negotiate(this.#url + pathname, query);
    this.#names.set(`id ${name}`, connectionId);
    const actor = await Actor.open(url, protocol);
    if (verb === 'joins') await actor.shakeHands(stay === undefined ? 1 : 2);
    return actor;
  }

  async #hear(actor: Actor, wanted: string, line: string): Promise<void> {
    const got = await actor.next();
    if (/^[\da-f]+$/.test(wanted)) assert.equal(actor.bytes, wanted, `${line}, which is another than ${got}`);
    else this.#names.compare(got, wanted, line);
  }
}
