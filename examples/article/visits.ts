/** The app's own table: which visitor waits for which transaction. It holds the hash of a visitor's cookie, not the cookie. */
import { createHash, randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';

export class Visits {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    this.#database.exec('CREATE TABLE IF NOT EXISTS visits (cookie TEXT PRIMARY KEY, transaction_id TEXT NOT NULL) STRICT');
  }

  /** Returns the secret for the visitor's cookie. */
  add(transactionId: string): string {
    const secret = randomBytes(32).toString('base64url');
    this.#database.prepare('INSERT INTO visits VALUES (?, ?)').run(hash(secret), transactionId);
    return secret;
  }

  transactionOf(secret: string): string | undefined {
    const id = this.#database.prepare('SELECT transaction_id FROM visits WHERE cookie = ?').get(hash(secret))?.['transaction_id'];
    return typeof id === 'string' ? id : undefined;
  }
}

function hash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
