/**
 * Pages that are killed at random, between any two steps of anything, in a network that cuts in the middle of what is said.
 * The next page of the tab is done with each message once, or has failed with it five times on one connection, and the sender
 * is told just that. `RINGBACK_LONG=1` for 1,000 rounds; `RINGBACK_SEED` repeats what was chosen.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { mock, test } from 'node:test';
import { openTransaction, type ClientStorage, type Message, type Transaction } from '../../src/client/index.ts';
import type { WireOpened } from '../../src/server/wire.ts';
import type { Running } from '../arrangements/arrangement.ts';
import { arrangements } from '../arrangements/each-arrangement.ts';
import { seeded } from '../fixtures/seeded.ts';
import { urlOf } from '../fixtures/sockets.ts';
import { realTimeout } from './fast-time.ts';
import { becomes, TabStorage } from './tab.ts';

const ROUNDS = process.env['RINGBACK_LONG'] === '1' ? 1_000 : 12;
const AT_ONCE = 6;
const SEED = Number(process.env['RINGBACK_SEED'] ?? randomInt(2 ** 31));

mock.method(console, 'warn', () => undefined);

/** The network between one page and the server. */
class Network implements AsyncDisposable {
  /** Everything passes, from now on. */
  isCalm = false;
  cuts = 0;
  readonly #random: () => number;
  readonly #target: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What does not pass while it is not calm: nothing, WebSockets, or all of the hub. */
  readonly #refused: RegExp | undefined;

  private constructor(random: () => number, target: string) {
    this.#random = random;
    this.#target = new URL(target);
    this.#refused = [undefined, undefined, /^GET \/hub\?(?!.*&_=)/, /^[A-Z]+ \/hub/][Math.floor(random() * 4)];
    this.#server = createServer((client) => {
      const server = connect(Number(this.#target.port), this.#target.hostname);
      this.#carry(client, server, true);
      this.#carry(server, client, false);
    });
  }

  static async start(random: () => number, target: string): Promise<Network> {
    const network = new Network(random, target);
    network.#server.listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    return network;
  }

  get hubUrl(): string {
    return `${urlOf(this.#server)}/hub`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(from: Socket, to: Socket, isRequest: boolean): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    let isStalled = false;
    let sent = Promise.resolve();
    from.on('data', (chunk) => {
      if (isStalled) return;
      if (!this.isCalm && isRequest && this.#refused?.test(chunk.toString('latin1')) === true) return void from.destroy();
      const fate = this.isCalm ? 1 : this.#random();
      if (fate < 0.05) {
        this.cuts++;
        to.end(chunk.subarray(0, Math.floor(this.#random() * chunk.length)), () => from.destroy());
      } else if (fate < 0.08) {
        isStalled = true;
        realTimeout(() => from.destroy(), 20 + this.#random() * 200);
      } else {
        const delay = fate < 0.4 ? this.#random() * 8 : 0;
        sent = sent.then(() => pause(delay)).then(() => void (to.destroyed || to.write(chunk)));
      }
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}

interface Call {
  readonly sequence: number;
  readonly page: number;
  outcome: 'runs' | 'handled' | 'failed';
}

/** A tab over all its pages; each has a network of its own, so that a killed one says nothing more. */
class MortalTab implements AsyncDisposable {
  readonly calls: Call[] = [];
  readonly networks: Network[] = [];
  readonly #storage = new TabStorage();
  readonly #pages: Transaction[] = [];
  readonly #random: () => number;
  readonly #opened: WireOpened;
  readonly #serverUrl: string;
  #living = 0;
  #isCalm = false;

  constructor(random: () => number, opened: WireOpened, serverUrl: string) {
    this.#random = random;
    this.#opened = opened;
    this.#serverUrl = serverUrl;
  }

  get page(): Transaction {
    return this.#pages.at(-1) ?? assert.fail('no page');
  }

  get story(): string {
    return this.calls.map(({ sequence, page, outcome }) => `${page}:${sequence} ${outcome}`).join(', ');
  }

  async load(): Promise<void> {
    await this.kill();
    const network = await Network.start(this.#random, this.#serverUrl);
    network.isCalm = this.#isCalm;
    this.networks.push(network);
    const page = this.#living;
    const { id, accessToken } = this.#opened;
    this.#pages.push(
      openTransaction(
        { id, accessToken, hubUrl: network.hubUrl },
        { storage: this.#storageOf(page), onMessage: (message) => this.#handle(message, page) },
      ),
    );
  }

  /** From one moment to the other nothing of the page runs, reaches the server or is stored. */
  async kill(): Promise<void> {
    this.#living++;
    await this.networks.at(-1)?.[Symbol.asyncDispose]();
  }

  calm(): void {
    this.#isCalm = true;
    for (const network of this.networks) network.isCalm = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Promise.all(this.#pages.map((page) => page.close()));
  }

  #storageOf(page: number): ClientStorage {
    const whileAlive = <Result>(act: () => Result): Result => {
      if (page !== this.#living) throw new Error('this page is gone');
      return act();
    };
    return {
      getItem: (key) => whileAlive(() => this.#storage.getItem(key)),
      setItem: (key, value) => whileAlive(() => this.#storage.setItem(key, value)),
      removeItem: (key) => whileAlive(() => this.#storage.removeItem(key)),
    };
  }

  async #handle({ sequence }: Message, page: number): Promise<unknown> {
    const call: Call = { sequence, page, outcome: 'runs' };
    if (page === this.#living) this.calls.push(call);
    // One is hopeless; the others fail now and then.
    const fails = sequence % 5 === 3 || (!this.#isCalm && this.#random() < 0.3);
    if (this.#random() < 0.5) await pause(this.#random() * 6);
    if (page !== this.#living) return new Promise(() => undefined);
    call.outcome = fails ? 'failed' : 'handled';
    if (fails) throw new Error(`no ${sequence}`);
    return { n: sequence };
  }
}

async function playRound(number: number, server: Running): Promise<MortalTab> {
  const random = seeded(SEED + number * 7_919);
  const { backEnd, url } = server;
  const opened = await backEnd.open();
  await using tab = new MortalTab(random, opened, url);
  const count = 1 + Math.floor(random() * 6);
  const sent: string[] = [];
  await tab.load();
  for (let step = 0; step < 10 || sent.length < count; step++) {
    if (sent.length < count && random() < 0.6) sent.push((await backEnd.send(opened.id, { data: sent.length + 1 })).id);
    if (random() < 0.25) await tab.load();
    await pause(random() * 60);
  }
  tab.calm();
  try {
    await becomes('all is told', async () => (await backEnd.transaction(opened.id)).ackedSequence === count);
    await becomes('the page has all', () => tab.page.messages.length === count);
  } catch (error) {
    throw new Error(`${tab.page.state} with ${tab.page.messages.length} of ${count}: ${tab.story}`, { cause: error });
  }
  await check(tab, sent, opened.id, server);
  const { length } = tab.calls;
  await tab.load();
  await becomes('the page has all again', () => tab.page.state === 'open' && tab.page.messages.length === count);
  assert.deepEqual(
    tab.page.messages.map(({ id, sequence, data }) => [id, sequence, data]),
    sent.map((id, index) => [id, index + 1, index + 1]),
  );
  await check(tab, sent, opened.id, server);
  assert.equal(tab.calls.length, length, `called again for what is done: ${tab.story}`);
  return tab;
}

/** What the handler was called with, and what the sender is told, is exactly what is promised. */
async function check({ calls, story }: MortalTab, sent: readonly string[], id: string, { backEnd }: Running): Promise<void> {
  const sequences = calls.map(({ sequence }) => sequence);
  assert.deepEqual(
    sequences,
    sequences.toSorted((a, b) => a - b),
    `not in order: ${story}`,
  );
  for (const [index, messageId] of sent.entries()) {
    const sequence = index + 1;
    const own = calls.filter((call) => call.sequence === sequence);
    const last = own.at(-1);
    assert.ok(last, `message ${sequence} was never handed over: ${story}`);
    const { status, reply, error } = await backEnd.receipt(id, messageId);
    const handled = own.filter(({ outcome }) => outcome === 'handled');
    if (handled.length > 0) {
      assert.deepEqual(handled, [last], `message ${sequence} was handled, and came again: ${story}`);
      assert.equal(status, 'handled', `message ${sequence}: ${story}`);
      // A reply may be lost with its page.
      if (reply !== undefined) assert.deepEqual(reply, { n: sequence });
    } else {
      const failures = own.filter(({ page, outcome }) => page === last.page && outcome === 'failed').length;
      assert.ok(failures >= 5, `message ${sequence} was given up after ${failures} failures: ${story}`);
      assert.deepEqual([status, error], ['failed', `no ${sequence}`], `message ${sequence}: ${story}`);
    }
  }
}

for (const { name, skip, start } of arrangements) {
  test(
    `a page that is killed is done with nothing twice, and forgets nothing (${ROUNDS} rounds, ${name})`,
    { skip },
    async (t) => {
      t.diagnostic(`RINGBACK_SEED=${SEED}`);
      await using server = await start({ drainSeconds: 0 });
      let next = 0;
      const sum = { calls: 0, pages: 0, cuts: 0 };
      const play = async (): Promise<void> => {
        while (next < ROUNDS) {
          const number = next++;
          const { calls, networks } = await playRound(number, server).catch((error: unknown) => {
            next = ROUNDS;
            throw new Error(`round ${number}, RINGBACK_SEED=${SEED}`, { cause: error });
          });
          sum.calls += calls.length;
          sum.pages += networks.length;
          sum.cuts += networks.reduce((cuts, network) => cuts + network.cuts, 0);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, play));
      t.diagnostic(`${sum.calls} calls of handlers in ${sum.pages} pages, ${sum.cuts} cuts`);
      assert.ok(sum.pages > 2 * ROUNDS && sum.calls > ROUNDS && sum.cuts > 0, 'something happened');
    },
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void realTimeout(resolve, ms));
}
