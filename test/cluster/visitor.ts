/** A visitor with our own client: notes what the handler of its page was called with, and when. */
import assert from 'node:assert/strict';
import { openTransaction, type ClientStorage, type OpenedTransaction, type Transaction } from '../../src/client/index.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import { eventually } from '../fixtures/eventually.ts';
import type { Instances } from './instances.ts';
import type { Senders } from './senders.ts';

/** Pages that have caught up, at all of the instances; every other one polls. */
export async function openVisitors(
  instances: Instances,
  { open, count }: { readonly open: AsyncDisposableStack; readonly count: number },
): Promise<readonly Visitor[]> {
  const visitors: Visitor[] = [];
  for (let n = 0; n < count; n++) {
    const opened = await instances.backEnd.open();
    visitors.push(open.use(new Visitor(instances.reach(opened, n % 2 === 0 ? 'WebSockets' : 'LongPolling'))));
  }
  await eventually('all pages are open', async () => visitors.every(({ state }) => state === 'open'));
  return visitors;
}

export class Visitor implements AsyncDisposable {
  readonly id: string;
  /** What the handler was called with, by sequence. */
  readonly sequences: number[] = [];
  /** Every state that its page has been in, the first one first. */
  readonly states: string[] = [];
  readonly #page: Transaction;

  constructor(opened: OpenedTransaction) {
    const { id, accessToken, hubUrl } = opened;
    this.id = id;
    this.#page = openTransaction(
      { id, accessToken, hubUrl },
      {
        storage: new Memory(),
        onMessage: (message) => {
          this.sequences.push(message.sequence);
          return { n: message.sequence };
        },
      },
    );
    this.#page.subscribe(() => this.#note());
  }

  get state(): Transaction['state'] {
    return this.#page.state;
  }

  /** How often it had lost its connection. */
  get losses(): number {
    return this.states.filter((state) => state === 'reconnecting').length;
  }

  /** Waits until its handler has had all that senders were told is stored, then looks: once, in order, and they are told so. */
  async verify(senders: Senders, backEnd: BackEnd): Promise<void> {
    const { id, sequences } = this;
    await eventually('all is handled', async () => sequences.length >= senders.countOf(id));
    assert.deepEqual(
      sequences,
      sequences.map((_, index) => index + 1),
    );
    await senders.verify(id);
    await eventually('the sender is told so', async () => (await backEnd.transaction(id)).ackedSequence === sequences.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#page.close();
  }

  #note(): void {
    if (this.states.at(-1) !== this.#page.state) this.states.push(this.#page.state);
  }
}

class Memory implements ClientStorage {
  readonly #items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }

  removeItem(key: string): void {
    this.#items.delete(key);
  }
}
