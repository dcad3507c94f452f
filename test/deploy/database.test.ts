/** The database as docs/deploy.md sets it up: what a role may, TLS on every connection, and a pooler between. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Client } from 'pg';
import { migrate } from '../../src/postgres/migrate.ts';
import { blocksOf } from '../docs/blocks.ts';
import { aptUnpack, copyFor, missingLibraries } from '../fixtures/apt.ts';
import { API_KEY, BackEnd } from '../fixtures/back-end.ts';
import { eventually } from '../fixtures/eventually.ts';
import { Page } from '../fixtures/page.ts';
import { freePort } from '../fixtures/free-port.ts';
import { noOwnPostgres, PostgresServer } from '../fixtures/postgres.ts';
import { unprivileged } from '../fixtures/postgres-cluster.ts';
import { ServerProcess, startServer, temporaryFolder } from '../fixtures/server.ts';
import { canConnect } from './balancer.ts';

const PAGE = 'docs/deploy.md';
const blocks = blocksOf(PAGE);

function statements(name: string): string {
  const found = blocks.find((block) => block.language === 'sql' && block.name === name);
  return found?.code ?? assert.fail(`${PAGE} has no block "sql ${name}"`);
}

let own: Promise<PostgresServer> | undefined;
/** One of this file's own: roles belong to a whole server. */
function server(): Promise<PostgresServer> {
  return (own ??= PostgresServer.start());
}
after(async () => (await own)?.[Symbol.asyncDispose]());

function urlOf({ url }: PostgresServer, database: string, role: string): string {
  const found = new URL(url);
  found.pathname = database;
  found.username = role;
  return found.href;
}

async function run(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Everything that writes: opening, sending, a page, its receipt, settling, forgetting. */
async function works(store: string): Promise<void> {
  await using one = await startServer({ store });
  await using other = await startServer({ store });
  const { backEnd } = one;
  const opened = await backEnd.open({ reference: 'order-1', metadata: { a: 1 } });
  await using page = await Page.open({
    ...opened,
    hubUrl: `${other.url}/hub`,
    onMessage: ({ sequence }, self) => void self.ack(sequence, 'yes'),
  });
  assert.equal((await backEnd.send(opened.id, {}, 20)).status, 'handled');
  assert.equal((await backEnd.call('DELETE', `/v1/transactions/${opened.id}/callbacks/${opened.callbackId}`)).status, 204);
  await backEnd.settle(opened.id);
  await page.until(({ name }) => name === 'closed');
  await backEnd.forget(opened.id);
}

test('the role that owns its database needs nothing more', { skip: noOwnPostgres }, async () => {
  const postgres = await server();
  for (const line of statements('role').split('\n')) await postgres.run(line);
  const url = urlOf(postgres, 'ringback', 'ringback');
  await works(url);
  await postgres.run('DROP DATABASE ringback');
});

test('in the database of somebody else a schema that was made for it is enough', { skip: noOwnPostgres }, async () => {
  const postgres = await server();
  await postgres.run('CREATE DATABASE shop');
  await postgres.run('REVOKE ALL ON DATABASE shop FROM PUBLIC');
  await postgres.run('GRANT CONNECT ON DATABASE shop TO ringback');
  const url = urlOf(postgres, 'shop', 'ringback');
  await assert.rejects(migrate(url), /permission denied for database shop/);
  await run(urlOf(postgres, 'shop', 'postgres'), statements('schema'));
  await works(url);
});

test(
  'a role that may change no table runs the instances, once another one has made the tables',
  { skip: noOwnPostgres },
  async () => {
    const postgres = await server();
    await postgres.run(statements('instance role'));
    await postgres.run('GRANT CONNECT ON DATABASE shop TO ringback_instance');
    const url = urlOf(postgres, 'shop', 'ringback_instance');
    await assert.rejects(migrate(url), /permission denied for schema ringback/);
    await run(urlOf(postgres, 'shop', 'ringback'), statements('instance rights'));
    await works(url);
    for (const sql of ['CREATE TABLE ringback.mine ()', 'DROP TABLE ringback.messages', 'TRUNCATE ringback.messages'])
      await assert.rejects(run(url, sql), /permission denied|must be owner/, sql);
  },
);

/** A certificate for `localhost`, signed by itself, where the server can read it. */
function certificate(folder: string): { readonly crt: string; readonly key: string } | undefined {
  const [crt, key] = [join(folder, 'server.crt'), join(folder, 'server.key')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  const named = [...request, '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', crt];
  if (spawnSync('openssl', named, { stdio: 'ignore' }).status !== 0) return undefined;
  const user = unprivileged();
  chmodSync(folder, 0o755);
  chmodSync(key, 0o600);
  if (user !== undefined) chownSync(key, user.uid, user.gid);
  return { crt, key };
}

test('with sslmode=verify-full every connection is encrypted, and no server without that certificate is believed', async (t) => {
  if (noOwnPostgres !== false) return t.skip(noOwnPostgres);
  await using folder = await temporaryFolder();
  const files = certificate(folder.path);
  if (files === undefined) return t.skip('there is no openssl to make a certificate');
  const tls = ['ssl=on', `ssl_cert_file=${files.crt}`, `ssl_key_file=${files.key}`];
  await using postgres = await PostgresServer.start(['fsync=off', ...tls]);
  await using database = await postgres.migrated();
  const url = new URL(database.url);
  url.hostname = 'localhost';
  url.search = `?sslmode=verify-full&sslrootcert=${files.crt}`;
  await works(url.href);
  {
    await using _serving = await startServer({ store: url.href });
    const client = new Client({ connectionString: postgres.url });
    await client.connect();
    const { rows } = await client.query<{ ssl: boolean }>(
      `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'ringback%'`,
    );
    await client.end();
    assert.ok(rows.length >= 2 && rows.every(({ ssl }) => ssl), JSON.stringify(rows));
  }
  url.search = '?sslmode=verify-full';
  await assert.rejects(migrate(url.href), /self-signed certificate/);
  url.hostname = '127.0.0.1';
  url.search = `?sslmode=verify-full&sslrootcert=${files.crt}`;
  await assert.rejects(migrate(url.href), /does not match/);
});

test('after a restore to an earlier point pages that are ahead are told, and what is sent again is stored again', async (t) => {
  if (noOwnPostgres !== false) return t.skip(noOwnPostgres);
  const postgres = await server();
  await using database = await postgres.migrated();
  const later = { type: 'later', data: 1, id: 'key-of-the-sender' };
  const opened = await served(database.url, async (backEnd) => {
    const first = await backEnd.open();
    await backEnd.send(first.id);
    return first;
  });
  // With nobody connected to it, a copy is as good as a backup.
  await postgres.run(`CREATE DATABASE earlier TEMPLATE ${new URL(database.url).pathname.slice(1)}`);
  const unknown = await served(database.url, async (backEnd) => {
    assert.deepEqual([(await backEnd.send(opened.id, later)).sequence, (await backEnd.send(opened.id)).sequence], [2, 3]);
    return backEnd.open();
  });
  await served(urlOf(postgres, 'earlier', 'postgres'), async (backEnd) => {
    const hubUrl = `${backEnd.url}/hub`;
    await using page = await Page.open({ ...opened, hubUrl, after: 3 });
    assert.deepEqual(page.sequences, [1]);
    assert.ok(page.calls.some((call) => call.name === 'caughtUp' && call.reset));
    const again = await backEnd.send(opened.id, later);
    assert.deepEqual([again.sequence, again.duplicate], [2, false]);
    await assert.rejects(Page.open({ ...unknown, hubUrl }), /401/);
  });
  await postgres.run('DROP DATABASE earlier');
});

async function served<Result>(store: string, use: (backEnd: BackEnd) => Promise<Result>): Promise<Result> {
  await using serving = await startServer({ store });
  return await use(serving.backEnd);
}

const pooler = await aptUnpack('pgbouncer', 'libc-ares2', 'libevent-2.1-7');
const noPooler = 'problem' in pooler ? pooler.problem : noOwnPostgres;

test('PgBouncer, as it comes, is refused at the start, in words', { skip: noPooler }, async () => {
  assert.ok(!('problem' in pooler));
  await using database = await (await server()).migrated();
  const { port: behind, pathname } = new URL(database.url);
  await using folder = await temporaryFolder();
  chmodSync(folder.path, 0o755);
  const { root, environment } = copyFor(pooler, folder.path);
  const program = join(root, 'usr/sbin/pgbouncer');
  assert.deepEqual(missingLibraries(program, { root, environment }), []);
  const port = await freePort();
  const file = join(folder.path, 'pgbouncer.ini');
  const settings = ['unix_socket_dir =', 'listen_addr = 127.0.0.1', `listen_port = ${port}`, 'auth_type = any'];
  const target = `${pathname.slice(1)} = host=127.0.0.1 port=${behind} user=postgres`;
  writeFileSync(file, ['[databases]', target, '[pgbouncer]', ...settings, 'pool_mode = transaction'].join('\n'));
  const child = spawn(program, [file], { env: environment, stdio: 'ignore', ...unprivileged() });
  const ended = once(child, 'close');
  try {
    await eventually('it listens', () => canConnect(port));
    const store = `postgres://postgres@127.0.0.1:${port}${pathname}`;
    const started = ServerProcess.start({ args: ['--port', '0', '--store', store] });
    await assert.rejects(started, /ended with 1: .*unsupported startup parameter/s);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
});

test('the key and the URL are all that two instances have to be given', { skip: noOwnPostgres }, async () => {
  await using database = await (await server()).migrated();
  const start = (): Promise<ServerProcess> => ServerProcess.start({ args: ['--port', '0', '--store', database.url] });
  await using one = await start();
  await using other = await start();
  const opened = await new BackEnd(one.url).open();
  assert.equal((await other.backEnd.transaction(opened.id)).id, opened.id);
  await assert.rejects(
    ServerProcess.start({ args: ['--port', '0', '--store', database.url], env: { RINGBACK_API_KEY: '' } }),
    (error) => error instanceof Error && /ended with 2/.test(error.message) && !error.message.includes(API_KEY),
  );
});
