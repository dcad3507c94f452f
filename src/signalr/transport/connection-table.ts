/**
 * The connections of one endpoint by their secret token, and the one timer that looks at all of them.
 */
import type { Clock, Timer } from '../../clock.ts';
import { randomText } from '../../random-text.ts';

const HEARTBEAT_MS = 1_000;
const ID_BYTES = 16;

/** 16 random bytes, for an id or a token, safe in a URL as they stand: clients paste ids there unencoded. */
export function createConnectionId(): string {
  return randomText(ID_BYTES);
}

/** What the table asks of a connection. */
export interface Entry {
  /** Other requests may name it by its token. */
  readonly isReachable: boolean;
  heartbeat(now: number): void;
}

export class ConnectionTable<C extends Entry> implements Disposable {
  readonly #clock: Clock;
  readonly #byToken = new Map<string, C>();
  #timer: Timer | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  get size(): number {
    return this.#byToken.size;
  }

  /** A connection that can still be named: one that closes over a socket is already unknown to other requests. */
  find(token: string): C | undefined {
    const connection = this.#byToken.get(token);
    return connection?.isReachable === true ? connection : undefined;
  }

  /** Also while it closes, and can no longer be named. */
  has(token: string): boolean {
    return this.#byToken.has(token);
  }

  add(token: string, connection: C): void {
    this.#byToken.set(token, connection);
    this.#timer ??= this.#clock.after(HEARTBEAT_MS, this.#beat);
  }

  remove(token: string): void {
    if (!this.#byToken.delete(token) || this.#byToken.size > 0) return;
    this.#onEmpty?.();
    this.#onEmpty = undefined;
  }

  /** A copy: connections may go while it is walked. */
  all(): C[] {
    return [...this.#byToken.values()];
  }

  /** Resolves when the last connection is gone, at once if there is none. */
  async empty(): Promise<void> {
    if (this.#byToken.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const earlier = this.#onEmpty;
    this.#onEmpty = () => {
      earlier?.();
      resolve();
    };
    await promise;
  }

  readonly #beat = (): void => {
    const now = this.#clock.now();
    // A Map may lose entries while it is walked.
    for (const connection of this.#byToken.values()) connection.heartbeat(now);
    this.#timer = this.#byToken.size > 0 ? this.#clock.after(HEARTBEAT_MS, this.#beat) : undefined;
  };
}
