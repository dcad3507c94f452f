/** Which events of webhooks were received, by their hashes, for as long as they are to be known again. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

export class Events {
  readonly #dedupeMs: number;
  readonly #find: StatementSync;
  readonly #note: StatementSync;
  readonly #drop: StatementSync;
  readonly #late: StatementSync;

  constructor(database: DatabaseSync, dedupeMs: number) {
    this.#dedupeMs = dedupeMs;
    this.#find = database.prepare('SELECT 1 FROM events WHERE hash = ? AND received_at > ?');
    this.#note = database.prepare(
      'INSERT INTO events (hash, received_at) VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET received_at = excluded.received_at',
    );
    this.#drop = database.prepare(
      'DELETE FROM events WHERE hash IN (SELECT hash FROM events WHERE received_at <= ? ORDER BY received_at LIMIT ?)',
    );
    this.#late = database.prepare('SELECT 1 FROM events WHERE received_at <= ? LIMIT 1');
  }

  isKnown(hash: string, now: number): boolean {
    return this.#find.get(hash, now - this.#dedupeMs) !== undefined;
  }

  note(hash: string, now: number): void {
    this.#note.run(hash, now);
  }

  /** Drops what is known no more, oldest first. Returns whether there is more of it. */
  dropLate(limit: number, now: number): boolean {
    const since = now - this.#dedupeMs;
    const { changes } = this.#drop.run(since, limit);
    return Number(changes) >= limit && this.#late.get(since) !== undefined;
  }
}
