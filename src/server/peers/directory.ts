/** Where the nodes are: the port, and a short memory in front of it, so that not every request asks. */
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../logger.ts';

export interface NodeDirectory {
  /**
   * Where a node is reached by its peers, living or only just dead; undefined: unknown, gone, or reached nowhere. Rejects when
   * it cannot tell.
   */
  addressOf(node: string): Promise<string | undefined>;
}

/** What is known is good for so long; after that it is asked for again. */
const FRESH_MS = 1_000;
/** What nobody asked for in this time is dropped: nodes come and go. */
const KEPT_MS = 60_000;
/** An answer that takes longer is not waited for. */
const ANSWER_MS = 2_000;

interface Known {
  address: string | undefined;
  askedAt: number;
  asking: Promise<void> | undefined;
  /** False until the directory has answered once. */
  isKnown: boolean;
}

/** Also when the clock was set back meanwhile: nobody knows how long ago it was then. */
function isOver(ms: number, since: number, now: number): boolean {
  return Math.abs(now - since) >= ms;
}

export interface CachedDirectoryOptions {
  readonly directory: NodeDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Answers at once what it knows, and asks again behind that; within two seconds where it knows of no address. While the
 * directory cannot tell, what it said last is good: nodes outlive their database.
 */
export class CachedDirectory implements NodeDirectory {
  readonly #options: CachedDirectoryOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: CachedDirectoryOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async addressOf(node: string): Promise<string | undefined> {
    const now = this.#options.clock.now();
    const known = this.#known.get(node) ?? this.#remember(node, now);
    if (known.asking === undefined && (!known.isKnown || isOver(FRESH_MS, known.askedAt, now))) this.#ask(node, known);
    if (known.asking !== undefined && known.address === undefined) await this.#atMost(ANSWER_MS, known.asking);
    return known.address;
  }

  #remember(node: string, now: number): Known {
    for (const [name, { askedAt }] of this.#known) if (isOver(KEPT_MS, askedAt, now)) this.#known.delete(name);
    const known: Known = { address: undefined, askedAt: now, asking: undefined, isKnown: false };
    this.#known.set(node, known);
    return known;
  }

  /** One question at a time for each node, whoever waits for its answer. */
  #ask(node: string, known: Known): void {
    known.askedAt = this.#options.clock.now();
    known.asking = this.#look(node, known).finally(() => {
      known.asking = undefined;
    });
  }

  async #look(node: string, known: Known): Promise<void> {
    try {
      known.address = await this.#options.directory.addressOf(node);
      known.isKnown = true;
    } catch (err) {
      this.#options.logger.warn({ event: 'peers.directory.failed', node, err }, 'where a node is could not be found out');
    }
  }

  async #atMost(ms: number, asking: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(ms, resolve);
    await Promise.race([asking, promise]);
    timer.cancel();
  }
}
