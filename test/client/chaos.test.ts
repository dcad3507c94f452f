/**
 * Everything at once, at random: a network that cuts, stalls and blocks, handlers that throw, pages that reload. Whatever
 * happens, the handler is done with each message once, in order, and the page shows them all. `RINGBACK_LONG=1` for 1,000
 * rounds; `RINGBACK_SEED` repeats what was chosen, though not when the network did it.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mock, test } from 'node:test';
import type { Message, Transaction } from '../../src/client/index.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import { startServer } from '../fixtures/server.ts';
import { realTimeout } from './fast-time.ts';
import { HostileProxy } from './hostile-proxy.ts';
import { becomes, Tab } from './tab.ts';

mock.method(console, 'warn', () => undefined);

const ROUNDS = process.env['RINGBACK_LONG'] === '1' ? 1_000 : 16;
const AT_ONCE = 8;
const STEPS = 24;
const seed = Number(process.env['RINGBACK_SEED'] ?? randomInt(2 ** 31));

/** Mulberry32: the same numbers for the same seed. */
function chance(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One visit, from its opening until all is quiet again. */
class Round implements AsyncDisposable {
  /** What the handler made of each call, in order. */
  readonly ends: { readonly sequence: number; readonly isDone: boolean }[] = [];
  readonly sent: { readonly id: string; readonly data: number }[] = [];
  readonly #random: () => number;
  readonly #backEnd: BackEnd;
  readonly #proxy: HostileProxy;
  readonly #tab: Tab;
  readonly #id: string;
  page: Transaction | undefined;

  private constructor(
    random: () => number,
    backEnd: BackEnd,
    proxy: HostileProxy,
    opened: { id: string; accessToken: string; hubUrl: string },
  ) {
    this.#random = random;
    this.#backEnd = backEnd;
    this.#proxy = proxy;
    this.#id = opened.id;
    this.#tab = new Tab(proxy.through(opened));
  }

  static async open(random: () => number, backEnd: BackEnd, url: string): Promise<Round> {
    const round = new Round(random, backEnd, await HostileProxy.start(url), await backEnd.open());
    await round.reload();
    return round;
  }

  async reload(): Promise<void> {
    this.page = await this.#tab.load(async ({ sequence }) => {
      if (this.#random() < 0.5) await pause(this.#random() * 5);
      const isDone = this.#random() < 0.8;
      this.ends.push({ sequence, isDone });
      if (!isDone) throw new Error('at random');
    });
  }

  async step(): Promise<void> {
    const kind = this.#random();
    if (kind < 0.4) await this.send();
    else if (kind < 0.55) this.#proxy.cut();
    else if (kind < 0.6) this.#proxy.freeze();
    else if (kind < 0.7) await this.stall();
    else if (kind < 0.8) this.#proxy.blocked = this.#random() < 0.5 ? /\/hub/ : undefined;
    else if (kind < 0.85) this.#proxy.swallowsWebSockets = !this.#proxy.swallowsWebSockets;
    else if (kind < 0.95) await this.reload();
    if (this.#random() < 0.7) await pause(this.#random() * 30);
  }

  async send(): Promise<void> {
    const data = this.sent.length + 1;
    const { id } = await this.#backEnd.send(this.#id, { type: 'note', data });
    this.sent.push({ id, data });
  }

  async stall(): Promise<void> {
    this.#proxy.isFrozen = true;
    await pause(this.#random() * 40);
    this.#proxy.isFrozen = false;
    // What it has swallowed does not come again: such a connection is none any more.
    this.#proxy.cut();
  }

  /** The network is well again; all that was sent is done with, and a page that reloads shows it. */
  async settle(): Promise<void> {
    this.#proxy.blocked = undefined;
    this.#proxy.swallowsWebSockets = false;
    await becomes(
      'all are done with',
      async () => (await this.#backEnd.transaction(this.#id)).ackedSequence === this.sent.length,
    );
    await this.reload();
    await becomes('all are shown', () => this.page?.messages.length === this.sent.length);
  }

  async check(): Promise<void> {
    const shown: readonly Message[] = this.page?.messages ?? [];
    assert.deepEqual(
      shown.map(({ id, data }) => ({ id, data })),
      this.sent,
    );
    const order = this.ends.map(({ sequence }) => sequence);
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      'a later one was handled before an earlier one was done with',
    );
    for (const [index, { id }] of this.sent.entries()) {
      const ends = this.ends.filter(({ sequence }) => sequence === index + 1).map(({ isDone }) => isDone);
      const { status } = await this.#backEnd.receipt(this.#id, id);
      assert.equal(status, ends.includes(true) ? 'handled' : 'failed', `message ${index + 1}: ${ends.join()}`);
      assert.ok(!ends.slice(0, -1).includes(true), `message ${index + 1} was handled, and handed out again`);
      if (status === 'failed') assert.ok(ends.length >= 5, `message ${index + 1} failed after ${ends.length} calls`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tab[Symbol.asyncDispose]();
    await this.#proxy[Symbol.asyncDispose]();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void realTimeout(resolve, ms));
}

test(`each message is done with once, in order, whatever happens (${ROUNDS} rounds)`, { timeout: 1_800_000 }, async (t) => {
  t.diagnostic(`RINGBACK_SEED=${seed}`);
  await using server = await startServer({ drainSeconds: 0, limits: { failedCredentialsPerMinute: 1_000_000 } });
  let messages = 0;
  let calls = 0;
  const play = async (number: number): Promise<void> => {
    await using round = await Round.open(chance(seed + number), server.backEnd, server.url);
    try {
      await round.send();
      for (let step = 0; step < STEPS; step++) await round.step();
      await round.settle();
      await round.check();
    } catch (error) {
      throw new Error(`round ${number} with RINGBACK_SEED=${seed}: ${JSON.stringify(round.ends)}`, { cause: error });
    }
    messages += round.sent.length;
    calls += round.ends.length;
  };
  const numbers = Array.from({ length: ROUNDS }, (_, number) => number).values();
  const player = async (): Promise<void> => {
    for (const number of numbers) await play(number);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, player));
  t.diagnostic(`${messages} messages, ${calls} calls of handlers`);
  assert.ok(messages >= ROUNDS * 5 && calls > messages, `${messages} messages, ${calls} calls`);
});
