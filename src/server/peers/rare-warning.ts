/**
 * A warning whose cause may come very often, and from strangers: it is logged at once, and then at most once in a while, with how
 * often it was left out.
 */
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../logger.ts';

const EVERY_MS = 10_000;

interface Said {
  readonly at: number;
  leftOut: number;
}

export class RareWarning {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By cause; only those of late. */
  readonly #said = new Map<string, Said>();

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** @param cause those of one cause stand for each other; there must not be many */
  warn(cause: string, fields: object, message: string): void {
    // The clock may be set back: a while is over then, too.
    const now = this.#clock.now();
    const last = this.#said.get(cause);
    if (last !== undefined && Math.abs(now - last.at) < EVERY_MS) {
      last.leftOut++;
      return;
    }
    for (const [other, { at }] of this.#said) if (Math.abs(now - at) >= EVERY_MS) this.#said.delete(other);
    this.#said.set(cause, { at: now, leftOut: 0 });
    const leftOut = last?.leftOut ?? 0;
    this.#logger.warn(leftOut === 0 ? fields : { ...fields, leftOut }, message);
  }
}
