/**
 * Closes all connections of an endpoint, spread over a time, so that their clients do not come back all at once.
 */
import type { Clock } from '../../clock.ts';
import type { ConnectionTable, Entry } from './connection-table.ts';

const STEP_MS = 20;

interface Closable extends Entry {
  /** Says good-bye and closes. */
  shutdown(): void;
  abort(error: undefined): void;
}

export interface GradualClose<C extends Closable> {
  readonly table: ConnectionTable<C>;
  readonly clock: Clock;
  readonly withinMs: number;
  /** What is still there this long behind the last close is cut off. */
  readonly graceMs: number;
}

export async function closeGradually<C extends Closable>({ table, clock, withinMs, graceMs }: GradualClose<C>): Promise<void> {
  const connections = table.all();
  const startedAt = clock.now();
  for (let closed = 0; ;) {
    const share = withinMs <= 0 ? 1 : (clock.now() - startedAt) / withinMs;
    const due = Math.min(connections.length, Math.floor(share * connections.length) + 1);
    for (const connection of connections.slice(closed, due)) connection.shutdown();
    closed = due;
    if (closed >= connections.length) break;
    await elapsed(clock, STEP_MS);
  }
  await Promise.race([table.empty(), elapsed(clock, graceMs)]);
  for (const connection of table.all()) connection.abort(undefined);
}

async function elapsed(clock: Clock, ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    clock.after(ms, resolve);
  });
}
