/** A batch is its messages sent one after the other: the same outcomes, sequences and receipts, whatever is in it. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRingback, RingbackError, type BatchMessage, type Ringback } from '../../src/index.ts';
import { stores, temporaryFolder } from '../fixtures/server.ts';

const seed = Number(process.env['RINGBACK_SEED'] ?? randomInt(2 ** 31));
const LIMITS = { messagesPerTransaction: 4, messageBytes: 20 };
const RUNS = { memory: 300, SQLite: 40 } as const;

/** Two are open, one is settled after a message, one is not there. */
const NAMES = ['open', 'other', 'settled', 'nobody'] as const;
type Ids = Readonly<Record<(typeof NAMES)[number], string>>;

const few = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const wanted = fc.record(
  {
    transaction: few(...NAMES),
    type: few('a', 'b'),
    data: few<unknown>(1, 2, null, { a: [1, 'é'] }, 'x'.repeat(30)),
    id: few('m1', 'm2', 'm3', 'before'),
  },
  { requiredKeys: ['transaction', 'type', 'data'] },
);

interface Wanted {
  transaction: (typeof NAMES)[number];
  type: string;
  data: unknown;
  id?: string;
}

/** Every outcome there is, so that none is left to chance. */
const note: Wanted = { transaction: 'open', type: 'a', data: 1 };
const EVERY_OUTCOME: Wanted[][] = [
  [
    { ...note, id: 'm1' },
    { ...note, id: 'm1' },
    { ...note, id: 'm1', type: 'b' },
    { ...note, data: 'x'.repeat(30) },
    { ...note, transaction: 'settled' },
    { ...note, transaction: 'nobody' },
    ...[note, note, note, note],
  ],
];
const batches = fc.array(fc.array(wanted, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 });

async function prepare(ringback: Ringback): Promise<Ids> {
  const [open, other, settled] = await Promise.all([ringback.open(), ringback.open(), ringback.open()]);
  await ringback.send(settled.id, { type: 'a', data: 1, id: 'before' });
  await ringback.settle(settled.id);
  return { open: open.id, other: other.id, settled: settled.id, nobody: 'txn_nobody' };
}

/** What the server makes has another name each time. */
function unnamed(text: string): string {
  return text.replaceAll(/msg_[\w-]{20,}/gu, 'msg_…').replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/gu, '"…"');
}

async function sendAlone(ringback: Ringback, { transaction, ...message }: BatchMessage): Promise<unknown> {
  try {
    return await ringback.send(transaction, message);
  } catch (error) {
    if (!(error instanceof RingbackError)) throw error;
    const { code, status, title, message: detail } = error;
    return { error: { code, status, title, ...(detail !== title && { detail }) } };
  }
}

/** All that can be asked afterwards. */
async function aftermath(ringback: Ringback, ids: Ids): Promise<unknown> {
  const found: unknown[] = [];
  for (const id of [ids.open, ids.other, ids.settled]) {
    const page = await ringback.messages(id);
    found.push(page);
    for (const message of page.messages) found.push(await ringback.receipt(id, message.id));
  }
  return found;
}

for (const store of stores) {
  test(`a batch does and answers what its messages do when they are sent alone (${store.name})`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    await using folder = await temporaryFolder();
    const ringback = await createRingback({ ...store.at(folder.path), limits: LIMITS });
    const seen = new Set<string>();
    const property = fc.asyncProperty(batches, async (lists) => {
      const [together, alone] = [await prepare(ringback), await prepare(ringback)];
      for (const list of lists) {
        const results = await ringback.sendAll(list.map((each) => ({ ...each, transaction: together[each.transaction] })));
        const expected: unknown[] = [];
        for (const each of list) expected.push(await sendAlone(ringback, { ...each, transaction: alone[each.transaction] }));
        assert.equal(unnamed(JSON.stringify(results)), unnamed(JSON.stringify(expected)));
        for (const each of results) seen.add('error' in each ? each.error.code : each.duplicate ? 'duplicate' : each.status);
      }
      const after = JSON.stringify(await aftermath(ringback, together));
      assert.equal(unnamed(after), unnamed(JSON.stringify(await aftermath(ringback, alone))));
    });
    try {
      await fc.assert(property, {
        seed,
        numRuns: store.name === 'memory' ? RUNS.memory : RUNS.SQLite,
        examples: [[EVERY_OUTCOME]],
      });
    } finally {
      await ringback.close();
    }
    assert.deepEqual([...seen].toSorted(), [
      'data_too_large',
      'duplicate',
      'idempotency_conflict',
      'mailbox_full',
      'stored',
      'transaction_not_found',
      'transaction_settled',
    ]);
  });
}
