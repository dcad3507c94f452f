/**
 * Tries until it succeeds, is hopeless, or has taken too long: the one place where it is decided what a fault of the database
 * means for a call. Knows nothing of what is tried.
 */
import type { Clock } from '../../clock.ts';
import { RingbackError } from '../../errors.ts';
import { faultOf } from '../../postgres/faults.ts';
import type { Fault } from '../../postgres/faults.ts';
import type { Pool } from '../../postgres/pool.ts';

/** So old an outage is waited for; later calls find the server known to be away, and fail at once. */
const PATIENCE_MS = 6_000;
const PAUSE_MS = 100;
/** Of two that collide, one goes on at once: a third time is rare. */
const MOST_COLLISIONS = 30;
const COLLISION_PAUSE_MS = 5;

export interface Means {
  readonly pool: Pool;
  readonly clock: Clock;
  /** How old an outage is when nobody waits for its end any more. Default: 6 s. */
  readonly patienceMs?: number | undefined;
}

/** Whether the database has been away for so long that nobody waits for it. */
export function isLongAway({ pool: { awaySince }, patienceMs = PATIENCE_MS }: Means): boolean {
  return awaySince !== undefined && performance.now() - awaySince > patienceMs;
}

/**
 * @param attempt must be safe to repeat after a fault that may have done something
 * @throws RingbackError store_unavailable; or `internal_error`, with the database's own error as its cause
 */
export async function persist<T>(means: Means, attempt: () => Promise<T>): Promise<T> {
  const { clock, patienceMs = PATIENCE_MS } = means;
  const start = performance.now();
  let isInDoubt = false;
  for (let collisions = 0; ;) {
    try {
      return await attempt();
    } catch (cause) {
      const fault = faultOf(cause);
      if (fault === 'call') throw new RingbackError('internal_error', { cause });
      if (fault === 'again') collisions += 1;
      if (fault === 'away') isInDoubt = true;
      // The first attempt may still be at it, on the connection that was lost.
      const isHopeless = (fault === 'held' && !isInDoubt) || collisions > MOST_COLLISIONS;
      if (isHopeless || isLongAway(means) || performance.now() - start > patienceMs)
        throw new RingbackError('store_unavailable', { cause });
      await pause(clock, pauseAfter(fault, collisions));
    }
  }
}

function pauseAfter(fault: Fault, collisions: number): number {
  return fault === 'again' ? Math.random() * COLLISION_PAUSE_MS * collisions : PAUSE_MS;
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}
