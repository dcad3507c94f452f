/**
 * What a transaction's instants mean at a given time. The one place where a state is decided, for every store; knows
 * nothing of how instants are kept.
 */
import type { TransactionState } from './store.ts';

export interface Lifetime {
  /** From this instant on it takes no more messages: when it was settled, else when it expires. Epoch milliseconds. */
  readonly endsAt: number;
  readonly settled: boolean;
}

/** The state at an instant of one that is not forgotten. At the very instant of its expiry it has expired. */
export function stateAt(lifetime: Lifetime, now: number): TransactionState {
  if (lifetime.settled) return 'settled';
  return lifetime.endsAt <= now ? 'expired' : 'open';
}

/** A transaction that ended at or before this instant is forgotten. Epoch milliseconds. */
export function forgottenSince(now: number, retentionMs: number): number {
  return now - retentionMs;
}
