/** A real server that crashes under its nodes and comes back, with the table of readers empty. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { attentive, Ear } from '../contract/backplane-subject.ts';
import { eventually } from '../fixtures/eventually.ts';
import { noOwnPostgres, PostgresServer } from '../fixtures/postgres.ts';
import { Member } from './cluster.ts';

test('nodes outlive a crash of the database and ring each other as before', { skip: noOwnPostgres }, async () => {
  await using server = await PostgresServer.start();
  const { url } = await server.migrated();
  await using pages = await Member.join('pages', url);
  await using sender = await Member.join('sender', url);
  await eventually('they know of each other', async () => pages.nodes.hasOthers && sender.nodes.hasOthers);
  using ear = await attentive(pages.backplane, 'txn_a');
  await server.stop('kill');
  await eventually('both have lost their lines', async () => !pages.nodes.isHere && !sender.nodes.isHere);
  sender.backplane.ring('txn_a');
  using newcomer = new Ear(pages.backplane, 'txn_b');
  await server.resume();
  await eventually('both are back', async () => pages.nodes.isHere && sender.nodes.isHere);
  // Two that come back in the same instant see each other at their next beat; until then a look has to find what was not rung.
  await eventually('they know of each other again', async () => pages.nodes.hasOthers && sender.nodes.hasOthers);
  await Promise.all([ear.hears(1), newcomer.hears(1)]);
  assert.deepEqual(await readersAt(url), ['', 'txn_a', 'txn_b']);
  for (const each of [ear, newcomer]) each.take();
  sender.backplane.ring('txn_a');
  sender.backplane.ring('txn_b');
  await Promise.all([ear.hears(1), newcomer.hears(1)]);
  assert.deepEqual([ear.heard, newcomer.heard], [[undefined], [undefined]]);
});

async function readersAt(url: string): Promise<readonly string[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ transaction_id: string }>(
    `SELECT transaction_id FROM ringback.readers WHERE node = 'pages' ORDER BY 1`,
  );
  await client.end();
  return rows.map(({ transaction_id }) => transaction_id);
}
