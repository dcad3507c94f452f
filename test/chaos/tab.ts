/** One browser tab with our client: it keeps its storage when its page is loaded again, and notes each call of its handler. */
import { setTimeout } from 'node:timers/promises';
import { openTransaction } from '../../src/client/index.ts';
import type { ClientStorage, Message, OpenedTransaction, Transaction } from '../../src/client/index.ts';
import { replyTo } from './checker.ts';
import type { CallNote, TabNote } from './history.ts';

const LONGEST_HANDLING_MS = 30;

export class Tab {
  readonly note: TabNote;
  readonly #storage = memoryStorage();
  readonly #random: () => number;
  readonly #opened: OpenedTransaction;
  #page: Transaction | undefined;

  constructor(name: string, opened: OpenedTransaction, random: () => number) {
    this.note = { name, calls: [], loads: 0 };
    this.#opened = opened;
    this.#random = random;
  }

  get state(): Transaction['state'] | undefined {
    return this.#page?.state;
  }

  /** How many messages its handler is done with. */
  get handled(): number {
    return this.note.calls.filter(({ outcome }) => outcome === 'handled').length;
  }

  /** For the first time, or again. */
  async load(): Promise<void> {
    await this.#page?.close();
    this.note.loads++;
    this.#page = openTransaction(this.#opened, { storage: this.#storage, onMessage: (message) => this.#handle(message) });
  }

  /** Its visitor has seen the end. */
  async leave(): Promise<void> {
    const state = this.#page?.state;
    if (state !== undefined) this.note.state = state;
    await this.#page?.close();
  }

  async #handle({ id, sequence, data }: Message): Promise<unknown> {
    const key: unknown = Object(data).key;
    const call: CallNote = { id, sequence, key, at: performance.now(), outcome: 'runs' };
    this.note.calls.push(call);
    if (this.#random() < 0.3) await setTimeout(this.#random() * LONGEST_HANDLING_MS);
    const isFirst = this.note.calls.every((other) => other === call || other.id !== id);
    call.outcome = isFirst && this.#random() < 0.03 ? 'failed' : 'handled';
    call.doneAt = performance.now();
    if (call.outcome === 'failed') throw new Error(`not ${sequence} now`);
    return this.#random() < 0.5 ? replyTo(key) : undefined;
  }
}

function memoryStorage(): ClientStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}
