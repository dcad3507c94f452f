/** Nodes that share a real PostgreSQL database: what each has for itself, and a way to look into the database. */
import { Client, type QueryResultRow } from 'pg';
import { PostgresBackplane } from '../../src/backplane/postgres/postgres.ts';
import { systemClock, type Clock } from '../../src/clock.ts';
import { silentLogger } from '../../src/logger.ts';
import { Nodes } from '../../src/postgres/nodes.ts';
import { Pool } from '../../src/postgres/pool.ts';
import { eventually } from '../fixtures/eventually.ts';
import { noPostgres, temporaryDatabase, type TemporaryDatabase } from '../fixtures/postgres.ts';

/** For tests of nodes. */
export const withPostgres = { skip: noPostgres };

export interface MemberOptions {
  /** Default: the real one. */
  readonly clock?: Clock;
  /** How the line reaches the database, for a proxy between. Default: as everything else. */
  readonly lineUrl?: string;
  readonly onListening?: (transactionIds: readonly string[]) => void;
}

/** One node. */
export class Member implements AsyncDisposable {
  readonly nodes: Nodes;
  readonly backplane: PostgresBackplane;
  readonly #pool: Pool;
  #end: Promise<void> | undefined;

  private constructor(nodes: Nodes, backplane: PostgresBackplane, pool: Pool) {
    this.nodes = nodes;
    this.backplane = backplane;
    this.#pool = pool;
  }

  static async join(node: string, url: string, options: MemberOptions = {}): Promise<Member> {
    const { clock = systemClock, lineUrl = url, onListening } = options;
    const pool = new Pool({ url, logger: silentLogger });
    const nodes = await Nodes.open({ url: lineUrl, pool, node, clock, logger: silentLogger });
    const more = onListening === undefined ? {} : { onListening };
    const backplane = new PostgresBackplane({ pool: opening(pool), nodes, clock, logger: silentLogger, ...more });
    return new Member(nodes, backplane, pool);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#end ??= this.#leave());
  }

  async #leave(): Promise<void> {
    await this.backplane[Symbol.asyncDispose]();
    await this.nodes[Symbol.asyncDispose]();
    await this.#pool[Symbol.asyncDispose]();
  }
}

/** Only what is there is registered: so each transaction that somebody here begins to read is. */
function opening(pool: Pool): Pick<Pool, 'query'> {
  const text = `INSERT INTO ringback.transactions (id, created_at, expires_at, ends_at, version)
    SELECT id, 0, 1e15, 1e15, 1 FROM unnest($1::text[]) AS id ON CONFLICT DO NOTHING`;
  return {
    async query(statement, values) {
      if (statement.name === 'save_readers') await pool.query({ name: 'open_them', text }, [values[0]]);
      return pool.query(statement, values);
    },
  };
}

export class Cluster implements AsyncDisposable {
  readonly members: Member[] = [];
  readonly #database: TemporaryDatabase;
  readonly #observer: Client;
  /** What was said to nodes, by node. */
  readonly #said = new Map<string, string[]>();

  private constructor(database: TemporaryDatabase, observer: Client) {
    this.#database = database;
    this.#observer = observer;
    observer.on('notification', ({ channel, payload = '' }) => {
      const node = channel.replace(/^ringback_/, '');
      this.#said.set(node, [...(this.#said.get(node) ?? []), payload]);
    });
  }

  static async start(count: number, options: MemberOptions = {}): Promise<Cluster> {
    const database = await temporaryDatabase();
    const observer = new Client({ connectionString: database.url });
    await observer.connect();
    const cluster = new Cluster(database, observer);
    for (let n = 0; n < count; n++) await cluster.join(options);
    const isComplete = (): boolean => count < 2 || cluster.members.every(({ nodes }) => nodes.hasOthers);
    await eventually('all know of each other', async () => isComplete());
    return cluster;
  }

  get url(): string {
    return this.#database.url;
  }

  /** One more node. */
  async join(options: MemberOptions = {}): Promise<Member> {
    const node = `node-${this.members.length}`;
    await this.#observer.query(`LISTEN "ringback_${node}"`);
    const member = await Member.join(node, this.url, options);
    this.members.push(member);
    return member;
  }

  async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#observer.query<Row>(text, [...values])).rows;
  }

  /** As if so much time had passed for the lease of a node. */
  async age(node: string, ms: number): Promise<void> {
    await this.query(
      `UPDATE ringback.nodes SET lease_until = lease_until - $2 * interval '1 ms', held_since = held_since - $2 * interval '1 ms'
       WHERE node = $1`,
      [node, ms],
    );
  }

  async readersOf(node: string): Promise<string[]> {
    const rows = await this.query<{ transaction_id: string }>(
      `SELECT transaction_id FROM ringback.readers WHERE node = $1 AND transaction_id <> '' ORDER BY 1`,
      [node],
    );
    return rows.map(({ transaction_id }) => transaction_id);
  }

  /** Resolves when the database says that these, and no others, have readers on a node. */
  async registers(node: string, transactionIds: readonly string[]): Promise<void> {
    const expected = transactionIds.toSorted().join(' ');
    await eventually(`readers of ${node}: ${expected}`, async () => (await this.readersOf(node)).join(' ') === expected);
  }

  /** What others rang a node for since the last call. All that was committed by now is in it. */
  async takeRings(node: string): Promise<string[]> {
    // Notifications come before the answer to what was asked after them.
    await this.query('SELECT');
    const rings = (this.#said.get(node) ?? []).filter((payload) => payload !== '' && payload !== '+');
    this.#said.delete(node);
    return rings;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) await member[Symbol.asyncDispose]();
    await this.#observer.end();
    await this.#database[Symbol.asyncDispose]();
  }
}
