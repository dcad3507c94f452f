/** The time of a database in the hands of a test: what PostgreSQL calls the clock says what was set, to all of its sessions to come. */
import { Client } from 'pg';
import type { Clock } from '../../src/clock.ts';

/** In front of PostgreSQL's own, for those who do not say which they mean. */
const TAKE = `
CREATE SCHEMA turned;
CREATE TABLE turned.time (now timestamptz NOT NULL);
INSERT INTO turned.time VALUES (now());
CREATE FUNCTION turned.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT now FROM turned.time';
DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET search_path = turned, pg_catalog', current_database());
END $$;
`;

const WORKING = `SELECT count(*)::integer AS working FROM pg_catalog.pg_stat_activity
  WHERE datname = current_database() AND backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()`;

export class DatabaseTime implements AsyncDisposable {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  /** Before anybody else is there. */
  static async take(url: string, clock: Pick<Clock, 'now'>): Promise<DatabaseTime> {
    const client = new Client({ connectionString: url });
    await client.connect();
    const time = new DatabaseTime(client);
    await client.query(TAKE);
    await time.set(clock.now());
    return time;
  }

  async set(ms: number): Promise<void> {
    await this.#client.query('UPDATE turned.time SET now = to_timestamp($1::double precision / 1000)', [ms]);
  }

  /** Resolves when nobody works. */
  async rest(): Promise<void> {
    for (;;) {
      const { rows } = await this.#client.query<{ readonly working: number }>(WORKING);
      if (rows[0]?.working === 0) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}
