/**
 * The end of an attachment whose transaction takes no more messages: everything was sent, `closed` was said, and what is
 * still unacked may be acked, for a while.
 */
import type { Backplane } from '../backplane/backplane.ts';
import type { Clock, Timer } from '../clock.ts';
import type { MailboxPosition, Store } from '../store/store.ts';
import type { Receipts } from './receipts.ts';

/** How long a reader of a closed transaction may still ack. */
const LAST_ACKS_MS = 10_000;

export interface FarewellOptions {
  readonly store: Pick<Store, 'read'>;
  readonly backplane: Pick<Backplane, 'subscribe'>;
  readonly receipts: Receipts;
  readonly clock: Clock;
  readonly transactionId: string;
  /** Called once: all acks are in, or the time is over. */
  readonly onEnd: () => void;
}

export class Farewell implements Disposable {
  readonly #options: FarewellOptions;
  readonly #timer: Timer;
  readonly #unwatch: () => void;
  readonly #unsubscribe: () => void;
  #isOver = false;

  constructor(options: FarewellOptions) {
    this.#options = options;
    this.#timer = options.clock.after(LAST_ACKS_MS, () => this.#end());
    this.#unwatch = options.receipts.watch(options.transactionId, (position) => this.#look(position));
    // They may be acked on another node.
    this.#unsubscribe = options.backplane.subscribe(options.transactionId, () => void this.#lookNow());
    void this.#lookNow();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#timer.cancel();
    this.#unwatch();
    this.#unsubscribe();
  }

  /** The last acks may have been committed before the watch was set. */
  async #lookNow(): Promise<void> {
    const { store, receipts, transactionId } = this.#options;
    try {
      await receipts.flush(transactionId);
      this.#look(await store.read(transactionId, { after: 'acked', limit: 1 }));
    } catch {
      // The watch and the time limit remain.
    }
  }

  /** Of one that is forgotten meanwhile, the ring tells the attachment, which has to say so to the reader. */
  #look(position: Pick<MailboxPosition, 'lastSequence' | 'ackedSequence'> | undefined): void {
    if (position !== undefined && position.ackedSequence >= position.lastSequence) this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this[Symbol.dispose]();
    this.#options.onEnd();
  }
}
