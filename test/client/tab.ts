/** A tab: what is left of it when its page reloads, and the page in it. */
import assert from 'node:assert/strict';
import { openTransaction } from '../../src/client/index.ts';
import type { ClientStorage, Message, OpenedTransaction, Transaction } from '../../src/client/index.ts';
import type { ReceiptView } from '../../src/server/wire.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import { now, realTimeout } from './fast-time.ts';

/** A test that waits longer than this waits for what does not come. */
const PATIENCE_MS = 20_000;
/** Who asks without a pause takes the processor from those who are to make it so. */
const PAUSE_MS = 5;

export class TabStorage implements ClientStorage {
  readonly items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}

export type Handler = (message: Message) => unknown;

/** Notes every call of the handler, over all pages of the tab. */
export class Tab implements AsyncDisposable {
  readonly storage = new TabStorage();
  /** The sequences that the handler was called with. */
  readonly calls: number[] = [];
  readonly #opened: OpenedTransaction;
  #page: Transaction | undefined;

  constructor(opened: OpenedTransaction) {
    this.#opened = opened;
  }

  /** Loads the page: for the first time, or again. */
  async load(handler: Handler = () => undefined): Promise<Transaction> {
    await this.leave();
    this.#page = openTransaction(this.#opened, {
      storage: this.storage,
      onMessage: (message) => {
        this.calls.push(message.sequence);
        return handler(message);
      },
    });
    return this.#page;
  }

  /** The page is gone. */
  async leave(): Promise<void> {
    await this.#page?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }
}

/** Waits until it is so, looking now and then. */
export async function becomes(what: string, isSo: () => unknown): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > end) assert.fail(`waited in vain: ${what}`);
    await new Promise<void>((resolve) => void realTimeout(resolve, PAUSE_MS));
  }
}

/** Lets so much of the fast time pass. */
export async function passes(ms: number): Promise<void> {
  const from = now();
  await becomes('time passes', () => now() - from >= ms);
}

/** Sends a message and waits until a page has handled it, or has failed to. */
export async function handled(
  backEnd: BackEnd,
  id: string,
  message?: { type?: string; data?: unknown; id?: string },
): Promise<ReceiptView> {
  const sent = await backEnd.send(id, message);
  let receipt: ReceiptView | undefined;
  await becomes('handled', async () => {
    receipt = await backEnd.receipt(id, sent.id);
    return receipt.status === 'handled' || receipt.status === 'failed';
  });
  return receipt ?? assert.fail();
}

export async function reaches(transaction: Transaction, state: Transaction['state']): Promise<void> {
  await becomes(`${state}, it is ${transaction.state}`, () => transaction.state === state);
}
