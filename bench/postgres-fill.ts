/**
 * Fills a database of the PostgreSQL store with transactions that have been used: by SQL on the tables as the store makes them.
 * What comes out is read through the store by who measures. Knows nothing of measuring.
 */
import { createHash } from 'node:crypto';
import { Client } from 'pg';

export interface PostgresFill {
  /** A multiple of 1,000. */
  readonly transactions: number;
  readonly messagesEach: number;
  readonly dataBytes: number;
  readonly say: (line: string) => void;
}

/** Transactions that are in use at the same time: their messages lie mixed in the table. */
const AT_ONCE = 1_000;
/** Transactions written by one statement of each kind. */
const STEP = 50_000;
const DAY_MS = 86_400_000;

/** Of the transaction with this number, from 1 on: random to look at, so that an index has them in no order. */
export function idOf(number: number): string {
  return `txn_${createHash('md5').update(String(number)).digest('hex')}`;
}

/** Makes a database with handled messages in transactions that are all open. */
export async function fillDatabase(url: string, { transactions, say, ...each }: PostgresFill): Promise<void> {
  const client = new Client({ connectionString: url, options: '-c synchronous_commit=off' });
  await client.connect();
  try {
    const now = Date.now();
    for (let first = 1; first <= transactions; first += STEP) {
      const last = Math.min(first + STEP - 1, transactions);
      for (const statement of statementsOf({ ...each, first, last, now })) await client.query(statement);
      say(`${last} transactions written`);
    }
    await client.query(`UPDATE ringback.counts SET value = $1 WHERE name = 'open' AND shard = 0`, [transactions]);
    await client.query(`SELECT setval(pg_get_serial_sequence('ringback.transactions', 'tx'), $1)`, [transactions]);
    // What autovacuum does in time, so that it is not measured.
    await client.query('VACUUM (FREEZE, ANALYZE)');
    await client.query('CHECKPOINT');
  } finally {
    await client.end();
  }
}

interface Slice {
  readonly first: number;
  readonly last: number;
  readonly now: number;
  readonly messagesEach: number;
  readonly dataBytes: number;
}

function statementsOf({ first, last, now, messagesEach, dataBytes }: Slice): readonly string[] {
  const transactions = `generate_series(${first}, ${last}) AS n`;
  // In the order in which they would have come.
  const messages = `(SELECT block * ${AT_ONCE} + place AS n, sequence
    FROM generate_series(${(first - 1) / AT_ONCE}, ${Math.ceil(last / AT_ONCE) - 1}) AS block,
    generate_series(1, ${messagesEach}) AS sequence, generate_series(1, ${AT_ONCE}) AS place ORDER BY block, sequence, place) AS m`;
  const text = 'd'.repeat(dataBytes - '{"text":""}'.length - 32);
  const end = `${now + DAY_MS} + n`;
  return [
    `INSERT INTO ringback.transactions (tx, id, created_at, expires_at, ends_at, last_sequence, acked_sequence, mailbox_bytes, version)
     OVERRIDING SYSTEM VALUE SELECT n, 'txn_' || md5(n::text), ${now}, ${end}, ${end}, ${messagesEach}, ${messagesEach},
       ${messagesEach * dataBytes}, n FROM ${transactions}`,
    `INSERT INTO ringback.tokens (hash, tx, id) SELECT md5('token ' || n), n, 'tok_' || md5('id ' || n) FROM ${transactions}`,
    `INSERT INTO ringback.events (hash, received_at) SELECT md5('event ' || n), ${now} + n FROM ${transactions}`,
    `INSERT INTO ringback.messages (tx, sequence, stored_at, id, type, data)
     SELECT n, sequence, ${now}, 'msg_' || left(md5(n || ' ' || sequence), 24) || ringback.base36(sequence), 'order.paid',
       '{"text":"' || md5((n * sequence)::text) || '${text}"}' FROM ${messages}`,
    `INSERT INTO ringback.names (tx, name, sequence) SELECT n, 'key ' || n || ' ' || sequence, sequence FROM ${messages}`,
    `INSERT INTO ringback.receipts (tx, sequence, attempts, delivered_at, handled_at)
     SELECT n, sequence, 1, ${now}, ${now} FROM ${messages}`,
  ];
}
