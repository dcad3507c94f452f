/** Who is there: leases, and what becomes of what a dead node has left. By the clock of a real database. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../src/logger.ts';
import { BEAT_MS, GRACE_MS, LEASE_MS, Nodes } from '../../src/postgres/nodes.ts';
import { Pool } from '../../src/postgres/pool.ts';
import { attentive, Ear } from '../contract/backplane-subject.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { Cluster, withPostgres, type Member } from './cluster.ts';

/** One node that looks after the others, and one that may die; each with a clock of its own. */
class Scene implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly clocks = [new ManualClock(), new ManualClock()] as const;
  readonly survivor: Member;
  readonly mortal: Member;
  lapses = 0;

  private constructor(
    cluster: Cluster,
    [survivor, mortal]: readonly [Member, Member],
    clocks: readonly [ManualClock, ManualClock],
  ) {
    this.cluster = cluster;
    this.survivor = survivor;
    this.mortal = mortal;
    this.clocks = clocks;
    mortal.nodes.observe({ lapsed: () => void this.lapses++ });
  }

  static async start(): Promise<Scene> {
    const clocks = [new ManualClock(), new ManualClock()] as const;
    const cluster = await Cluster.start(0);
    const members = [await cluster.join({ clock: clocks[0] }), await cluster.join({ clock: clocks[1] })] as const;
    const scene = new Scene(cluster, members, clocks);
    // It has been there for long.
    await cluster.query(`UPDATE ringback.nodes SET held_since = held_since - interval '1 hour'`);
    return scene;
  }

  /** Rows as a page leaves them. */
  async connect(node: string): Promise<void> {
    await this.cluster.query(
      `INSERT INTO ringback.connections (id, tx, node, transport, since) VALUES ('connection-' || $1, 1, $1, 'WebSockets', 1)`,
      [node],
    );
    await this.cluster.query(
      `INSERT INTO ringback.tickets (hash, tx, expires_at, connection_id) VALUES ('ticket-' || $1, 1, 1, 'connection-' || $1)`,
      [node],
    );
  }

  /** What is left of a node. */
  async rowsOf(node: string): Promise<{ nodes: number; readers: number; connections: number; tickets: number } | undefined> {
    const [counts] = await this.cluster.query<{ nodes: number; readers: number; connections: number; tickets: number }>(
      `SELECT (SELECT count(*)::integer FROM ringback.nodes WHERE node = $1) AS nodes,
        (SELECT count(*)::integer FROM ringback.readers WHERE node = $1) AS readers,
        (SELECT count(*)::integer FROM ringback.connections WHERE node = $1) AS connections,
        (SELECT count(*)::integer FROM ringback.tickets WHERE hash = 'ticket-' || $1) AS tickets`,
      [node],
    );
    return counts;
  }

  /** The survivor renews its lease, and does what it does then. */
  async beat(): Promise<void> {
    const before = await this.#leaseOf('node-0');
    this.clocks[0].advance(BEAT_MS);
    await eventually('the lease is renewed', async () => (await this.#leaseOf('node-0')) !== before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }

  async #leaseOf(node: string): Promise<string | undefined> {
    const [row] = await this.cluster.query<{ lease: string }>(
      'SELECT lease_until::text AS lease FROM ringback.nodes WHERE node = $1',
      [node],
    );
    return row?.lease;
  }
}

const NOTHING = { nodes: 0, readers: 0, connections: 0, tickets: 0 };

test('a dead node is not rung, and what it has left is removed by another within 30 s', withPostgres, async () => {
  assert.ok(LEASE_MS + GRACE_MS + 2 * BEAT_MS <= 30_000);
  await using scene = await Scene.start();
  const { cluster, survivor, mortal } = scene;
  using _dead = await attentive(mortal.backplane, 'txn_a');
  using witness = await attentive(survivor.backplane, 'txn_w');
  await scene.connect('node-1');
  await scene.connect('node-0');
  await cluster.age('node-1', LEASE_MS + GRACE_MS - 1_000);
  survivor.backplane.ring('txn_a');
  await scene.beat();
  const sweptTooEarly = await scene.rowsOf('node-1');
  assert.deepEqual(sweptTooEarly, { nodes: 1, readers: 2, connections: 1, tickets: 1 }, 'the grace is kept');
  assert.deepEqual(await cluster.takeRings('node-1'), []);
  await cluster.age('node-1', 1_001);
  await scene.beat();
  await eventually('the dead node is swept', async () => (await scene.rowsOf('node-1'))?.nodes === 0);
  assert.deepEqual(await scene.rowsOf('node-1'), NOTHING);
  assert.deepEqual(await scene.rowsOf('node-0'), { nodes: 1, readers: 2, connections: 1, tickets: 1 });
  assert.deepEqual(witness.heard, []);
});

test('more than one slice of what a dead node has left is removed too', withPostgres, async () => {
  await using scene = await Scene.start();
  await scene.cluster.query(`INSERT INTO ringback.readers SELECT 'txn_' || n, 'node-1' FROM generate_series(1, 4500) AS n`);
  await scene.cluster.query(
    `INSERT INTO ringback.connections SELECT 'c' || n, 1, 'node-1', 'WebSockets', 1 FROM generate_series(1, 4500) AS n`,
  );
  await scene.cluster.age('node-1', 60_000);
  await scene.beat();
  await eventually('the dead node is swept', async () => (await scene.rowsOf('node-1'))?.nodes === 0);
  assert.deepEqual(await scene.rowsOf('node-1'), NOTHING);
});

test('a ticket is removed with the node that carried its connection, whose row was never written', withPostgres, async () => {
  await using scene = await Scene.start();
  const { cluster } = scene;
  await cluster.query(
    `INSERT INTO ringback.tickets (hash, tx, expires_at, connection_id, node)
     SELECT name || n, 1, 1, name || '-connection-' || n, name FROM unnest(ARRAY['node-0', 'node-1']) AS name, generate_series(1, 4500) AS n`,
  );
  await cluster.age('node-1', 60_000);
  await scene.beat();
  await eventually('the dead node is swept', async () => (await scene.rowsOf('node-1'))?.nodes === 0);
  const left = await cluster.query<{ node: string; count: number }>(
    'SELECT node, count(*)::integer FROM ringback.tickets GROUP BY node',
  );
  assert.deepEqual(left, [{ node: 'node-0', count: 4500 }]);
});

test(
  'one that others took for dead registers its readers again, and is told that its rows may be gone',
  withPostgres,
  async () => {
    await using scene = await Scene.start();
    const { cluster, survivor, mortal } = scene;
    using ear = await attentive(mortal.backplane, 'txn_a');
    await cluster.age('node-1', 60_000);
    await scene.beat();
    await eventually('it is swept', async () => (await scene.rowsOf('node-1'))?.nodes === 0);
    assert.equal(scene.lapses, 0);
    scene.clocks[1].advance(BEAT_MS);
    await cluster.registers('node-1', ['txn_a']);
    assert.equal(scene.lapses, 1);
    await ear.hears(1);
    ear.take();
    survivor.backplane.ring('txn_a');
    await ear.hears(1);
  },
);

test('one that leaves waits for the slice that it is removing, and leaves the rest to the others', withPostgres, async () => {
  await using cluster = await Cluster.start(0);
  const pool = new Pool({ url: cluster.url, logger: silentLogger });
  await using _ = pool;
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  let questions = 0;
  const swept: object[] = [];
  const clock = new ManualClock();
  const nodes = await Nodes.open({
    url: cluster.url,
    node: 'node-a',
    clock,
    logger: {
      ...silentLogger,
      info: (fields) => void ('event' in fields && fields.event === 'node.swept' && swept.push(fields)),
    },
    pool: {
      async query(statement, values) {
        questions++;
        asked.resolve();
        await answered.promise;
        return pool.query(statement, values);
      },
    },
  });
  await cluster.query(`UPDATE ringback.nodes SET held_since = held_since - interval '1 hour'`);
  await cluster.query(`INSERT INTO ringback.nodes (node, lease_until, held_since)
    SELECT 'dead-' || n, now() - interval '1 hour', now() FROM generate_series(1, 5) n`);
  clock.advance(BEAT_MS);
  await asked.promise;
  const left = nodes[Symbol.asyncDispose]();
  answered.resolve();
  await left;
  assert.deepEqual([questions, swept.length], [1, 1]);
});

test('one that was away itself removes nobody before it was back for a whole lease', withPostgres, async () => {
  await using scene = await Scene.start();
  const { cluster } = scene;
  await cluster.age('node-0', 60_000);
  await cluster.age('node-1', 60_000);
  await scene.beat();
  await scene.beat();
  assert.equal((await scene.rowsOf('node-1'))?.nodes, 1);
  await cluster.query(`UPDATE ringback.nodes SET held_since = held_since - $1 * interval '1 ms' WHERE node = 'node-0'`, [
    LEASE_MS,
  ]);
  await scene.beat();
  await eventually('the other one is swept', async () => (await scene.rowsOf('node-1'))?.nodes === 0);
});

test('one that leaves in order is rung no more at once, and swept at the next beat', withPostgres, async () => {
  await using scene = await Scene.start();
  const { cluster, survivor, mortal } = scene;
  using _ = await attentive(mortal.backplane, 'txn_a');
  await mortal.backplane[Symbol.asyncDispose]();
  await mortal.nodes[Symbol.asyncDispose]();
  const [row] = await cluster.query<{ rung: number }>(`SELECT ringback.ring_nodes('{txn_a}') AS rung`);
  assert.equal(row?.rung, 0);
  await scene.beat();
  await eventually('it is swept', async () => (await scene.rowsOf('node-1'))?.nodes === 0);
  assert.ok(!survivor.nodes.hasOthers);
});

test('one that is alone asks for nobody, and knows of another as soon as it comes', withPostgres, async () => {
  const clock = new ManualClock();
  await using cluster = await Cluster.start(1, { clock });
  const [first] = cluster.members;
  assert.ok(first !== undefined && !first.nodes.hasOthers);
  const second = await cluster.join({ clock });
  assert.ok(second.nodes.hasOthers);
  await eventually('the first knows of the second', async () => first.nodes.hasOthers);
});

test('time is that of the database, whatever the clock of the node says', withPostgres, async () => {
  await using cluster = await Cluster.start(1, { clock: new ManualClock(0) });
  const [member] = cluster.members;
  const aheadMs = (member?.nodes.time.now() ?? 0) - Date.now();
  assert.ok(aheadMs <= 1 && aheadMs > -5_000, `${aheadMs} ms ahead`);
});

test('a clock that is set meanwhile does not change the time of the database', withPostgres, async () => {
  const clock = new ManualClock(0);
  await using cluster = await Cluster.start(1, {
    clock: { now: () => clock.now(), steady: () => 0, after: () => ({ cancel: () => undefined }) },
  });
  const [member] = cluster.members;
  clock.advance(3_600_000);
  const aheadMs = (member?.nodes.time.now() ?? 0) - Date.now();
  assert.ok(aheadMs <= 1 && aheadMs > -5_000, `${aheadMs} ms ahead`);
});

test('where a node can be reached is known to the others until it leaves, or is swept', withPostgres, async () => {
  await using scene = await Scene.start();
  const { survivor, mortal, cluster } = scene;
  assert.equal(await survivor.nodes.addressOf('node-1'), undefined);
  await mortal.nodes.announce('10.0.0.2:7000');
  assert.equal(await survivor.nodes.addressOf('node-1'), '10.0.0.2:7000');
  assert.equal(await survivor.nodes.addressOf('nobody'), undefined);
  // As after an outage of the database, when it has not renewed its lease yet: its polls must not be refused for that.
  await cluster.age('node-1', LEASE_MS + 1);
  assert.equal(await survivor.nodes.addressOf('node-1'), '10.0.0.2:7000');
  await mortal[Symbol.asyncDispose]();
  assert.equal(await survivor.nodes.addressOf('node-1'), undefined);
});

test('all nodes know one secret, whoever came first', withPostgres, async () => {
  await using cluster = await Cluster.start(3);
  const keys = new Set(cluster.members.map(({ nodes }) => Buffer.from(nodes.key).toString('hex')));
  assert.deepEqual(
    [...keys].map(({ length }) => length),
    [64],
  );
  assert.equal(cluster.members[0]?.nodes.localHost, '127.0.0.1');
});

test(
  'the secret is committed on disk, comes back after a failover that lost it, and another one is told',
  withPostgres,
  async () => {
    await using cluster = await Cluster.start(0);
    const clock = new ManualClock();
    await using pool = new Pool({ url: cluster.url, logger: silentLogger });
    const errors: object[] = [];
    const logger = { ...silentLogger, error: (fields: object) => void errors.push(fields) };
    // Whoever inserts the secret notes how durable that is.
    await cluster.query(`CREATE TABLE public.noted (setting text)`);
    await cluster.query(`CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.noted VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$`);
    await cluster.query('CREATE TRIGGER noting BEFORE INSERT ON ringback.secrets FOR EACH ROW EXECUTE FUNCTION public.note()');
    const [{ usual } = assert.fail()] = await cluster.query<{ usual: string }>(
      `SELECT reset_val AS usual FROM pg_settings WHERE name = 'synchronous_commit'`,
    );
    await cluster.query(`ALTER DATABASE ${new URL(cluster.url).pathname.slice(1)} SET synchronous_commit = remote_write`);
    assert.notEqual(usual, 'remote_write');
    await using nodes = await Nodes.open({ url: cluster.url, node: 'node-k', clock, logger, pool });
    const stored = async (): Promise<string | undefined> =>
      (await cluster.query<{ key: string }>(`SELECT encode(value, 'hex') AS key FROM ringback.secrets`))[0]?.key;
    const key = Buffer.from(nodes.key).toString('hex');
    assert.equal(await stored(), key);
    assert.deepEqual(await cluster.query('SELECT DISTINCT setting FROM public.noted'), [{ setting: 'remote_write' }]);
    const lose = async (sql: string): Promise<void> => {
      await cluster.query(sql);
      const greeted = Promise.withResolvers<void>();
      using _ = { [Symbol.dispose]: nodes.observe({ deafened: greeted.resolve }) };
      await cluster.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'ringback doorbell'`);
      await eventually('the line is lost', async () => !nodes.isHere);
      clock.advance(1_000);
      await greeted.promise;
    };
    await lose('DELETE FROM ringback.secrets');
    assert.equal(await stored(), key);
    assert.deepEqual(errors, []);
    await lose(`UPDATE ringback.secrets SET value = 'other'`);
    assert.deepEqual(errors, [{ event: 'node.other_key' }]);
    assert.equal(Buffer.from(nodes.key).toString('hex'), key);
  },
);

test('a name that would be cut off as a channel is refused', withPostgres, async () => {
  const url = 'postgres://nobody@127.0.0.1:1/none';
  await using pool = new Pool({ url, logger: silentLogger });
  const options = { url, pool, node: 'n'.repeat(51), clock: new ManualClock(), logger: silentLogger };
  await assert.rejects(Nodes.open(options), /at most 50 bytes/);
});

test('an idle node asks the database once a beat, and for nothing else', withPostgres, async () => {
  await using scene = await Scene.start();
  using _ear = new Ear(scene.mortal.backplane, 'txn_a');
  await scene.cluster.registers('node-1', ['txn_a']);
  const pendingBefore = scene.clocks[1].pendingCount;
  assert.equal(pendingBefore, 1, 'only the beat is armed');
});
