/**
 * What one reader has seen of one mailbox, over all its connections: where to go on, what was printed, what came twice.
 */
import type { Message } from './message.ts';

/** Ids remembered to know a message again; as many as a mailbox holds by default. */
const REMEMBERED_IDS = 100_000;

export class Progress {
  readonly #printedIds = new Set<string>();
  #position: number | undefined;
  #printed = 0;
  /** What was waited for is printed; nothing more will be. */
  hasFound = false;

  /** @param after where to begin; undefined: where the transaction's receipt stands */
  constructor(after: number | undefined) {
    this.#position = after;
  }

  /** What to ask for with `?after=`; undefined before anything is known. */
  get position(): number | undefined {
    return this.#position;
  }

  /** The sequence up to which to ack; 0 before anything was printed. */
  get printed(): number {
    return this.#printed;
  }

  /**
   * Told by id, not by sequence: after a store was restored from a backup, sequences begin again below our position.
   */
  isNew(message: Message): boolean {
    return !this.#printedIds.has(message.id);
  }

  notePrinted({ id, sequence }: Message): void {
    this.#printedIds.add(id);
    if (this.#printedIds.size > REMEMBERED_IDS) this.#printedIds.delete(this.#printedIds.values().next().value ?? '');
    this.#position = sequence;
    this.#printed = sequence;
  }

  /** Everything up to here has been sent to us; after a reset that is less than what we had. */
  noteCaughtUp({ sequence, isReset }: { readonly sequence: number; readonly isReset: boolean }): void {
    this.#position = isReset ? sequence : Math.max(sequence, this.#position ?? 0);
    if (isReset) this.#printed = Math.min(this.#printed, sequence);
  }
}
