/**
 * The rings that leave this node: gathered for a turn, and while earlier ones are on their way; then one statement looks up
 * which nodes have readers and notifies each of them once. Always after the commit that is rung for, never in it:
 * the database lets commits with notifications through one at a time.
 */
import type { Logger } from '../../logger.ts';
import type { Pool } from '../../postgres/pool.ts';
import { isRingable } from './ringable.ts';

/** A notification holds less than 8,000 bytes. */
const PAYLOAD_BYTES = 7_900;
/** Rings held while the database does not answer; what is beyond is lost, and found by the patrol. */
const MOST = 20_000;
/** Before the ids in a notification, when it says `receipt`. */
export const RECEIPT_PREFIX = 'r:';

const RING = { name: 'ring_nodes', text: 'SELECT ringback.ring_nodes($1, $2, $3)' };

export interface RingerOptions {
  readonly pool: Pick<Pool, 'query'>;
  /** This node, which is not rung. */
  readonly node: string;
  readonly logger: Logger;
}

export class Ringer implements AsyncDisposable {
  readonly #options: RingerOptions;
  #rings = new Set<string>();
  #receipts = new Set<string>();
  #run: Promise<void> | undefined;
  #isDisposed = false;

  constructor(options: RingerOptions) {
    this.#options = options;
  }

  ring(transactionId: string, isReceipt: boolean): void {
    if (this.#isDisposed || !isRingable(transactionId)) return;
    const rings = isReceipt ? this.#receipts : this.#rings;
    if (rings.size >= MOST) return;
    rings.add(transactionId);
    this.#run ??= this.#sendAll();
  }

  /** Waits until everything is sent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    while (this.#run !== undefined) await this.#run;
  }

  async #sendAll(): Promise<void> {
    // What else is rung for in this turn comes along.
    await new Promise<void>((resolve) => setImmediate(resolve));
    try {
      while (this.#rings.size + this.#receipts.size > 0) {
        const rings = this.#rings;
        const receipts = this.#receipts;
        this.#rings = new Set();
        this.#receipts = new Set();
        for (const slice of slicesOf(rings)) await this.#send(slice, '');
        // Whoever is rung looks for everything.
        for (const transactionId of rings) receipts.delete(transactionId);
        for (const slice of slicesOf(receipts)) await this.#send(slice, RECEIPT_PREFIX);
      }
    } catch (error) {
      // Lost: that is what a ring may be.
      this.#options.logger.debug({ event: 'ring.lost', error: String(error) });
    } finally {
      // Same tick as the loop's last look: nothing that is rung for later is forgotten.
      this.#run = undefined;
      if (this.#rings.size + this.#receipts.size > 0) this.#run = this.#sendAll();
    }
  }

  async #send(transactionIds: readonly string[], prefix: string): Promise<void> {
    await this.#options.pool.query(RING, [transactionIds, prefix, this.#options.node]);
  }
}

/** In parts that fit into one notification each. */
function* slicesOf(transactionIds: ReadonlySet<string>): Generator<readonly string[]> {
  let slice: string[] = [];
  let bytes = RECEIPT_PREFIX.length;
  for (const transactionId of transactionIds) {
    if (bytes + transactionId.length + 1 > PAYLOAD_BYTES) {
      yield slice;
      slice = [];
      bytes = RECEIPT_PREFIX.length;
    }
    slice.push(transactionId);
    bytes += transactionId.length + 1;
  }
  if (slice.length > 0) yield slice;
}
