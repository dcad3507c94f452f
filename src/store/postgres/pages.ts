/** Pages of mailboxes: what many readers ask for at once is one statement. */
import type { MailboxPage, ReadOptions, StoredMessage } from '../store.ts';
import { Gathering } from './gathering.ts';
import { known, POSITION } from './known.ts';
import { positionOf } from './reads.ts';
import type { PositionRow, Reads } from './reads.ts';
import { sought } from './storable.ts';

/** Statements at once. */
const LANES = 3;
/** Messages in one answer, at least if one reader wants more; bounds what is in memory. */
const MOST_MESSAGES = 1_000;

const CALLS = `unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
  WITH ORDINALITY AS w (transaction_id, after, most, most_bytes, token_id, i)`;

const PAGES = {
  name: 'pages',
  text: `SELECT w.i, ${POSITION},
    w.token_id IS NULL OR (SELECT true FROM ringback.tokens k WHERE k.tx = t.tx AND k.id = w.token_id) IS TRUE AS token_is_good,
    m.sequence, m.stored_at, m.id, m.type, m.data
    ${known('x.id = w.transaction_id', CALLS)}
    LEFT JOIN LATERAL (
      SELECT p.* FROM (
        SELECT f.*, sum(octet_length(f.data)) OVER (ORDER BY f.sequence) AS bytes, row_number() OVER (ORDER BY f.sequence) AS place
        FROM (
          SELECT e.sequence, e.stored_at, e.id, e.type, e.data FROM ringback.messages e
          WHERE e.tx = t.tx AND e.sequence > coalesce(w.after, t.acked_sequence) ORDER BY e.sequence LIMIT w.most
        ) AS f
      ) AS p WHERE p.place = 1 OR w.most_bytes IS NULL OR p.bytes <= w.most_bytes
    ) AS m ON true
    ORDER BY w.i, m.sequence`,
} as const;

interface PageRow extends PositionRow {
  readonly i: number;
  readonly token_is_good: boolean;
  /** Null, with all below, when there is no message. */
  readonly sequence: number | null;
  readonly stored_at: number;
  readonly id: string;
  readonly type: string;
  readonly data: string;
}

interface Call {
  readonly transactionId: string;
  readonly options: ReadOptions;
}

export class Pages implements AsyncDisposable {
  readonly #gathering: Gathering<Call, MailboxPage | undefined>;

  constructor(reads: Reads) {
    this.#gathering = new Gathering({
      lanes: LANES,
      most: MOST_MESSAGES,
      weigh: ({ options: { limit } }) => limit,
      ask: (calls) => pagesOf(reads, calls),
    });
  }

  read(transactionId: string, options: ReadOptions): Promise<MailboxPage | undefined> {
    return this.#gathering.join({ transactionId, options });
  }

  /** What was asked before is answered before. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#gathering[Symbol.asyncDispose]();
  }
}

async function pagesOf(reads: Reads, calls: readonly Call[]): Promise<readonly (MailboxPage | undefined)[]> {
  const rows = await reads.rows<PageRow>(PAGES, [
    calls.map(({ transactionId }) => sought(transactionId)),
    calls.map(({ options: { after } }) => (after === 'acked' ? null : after)),
    calls.map(({ options: { limit } }) => limit),
    calls.map(({ options: { maxBytes = Infinity } }) => (maxBytes === Infinity ? null : maxBytes)),
    calls.map(({ options: { tokenId } }) => (tokenId === undefined ? null : sought(tokenId))),
  ]);
  const byPlace = Map.groupBy(rows, ({ i }) => i);
  return calls.map(({ transactionId }, index) => pageOf(transactionId, byPlace.get(index + 1)));
}

function pageOf(transactionId: string, rows: readonly PageRow[] = []): MailboxPage | undefined {
  const [first] = rows;
  if (first === undefined) return undefined;
  const messages: StoredMessage[] = [];
  for (const { sequence, stored_at: storedAt, id, type, data } of rows) {
    if (sequence !== null) messages.push({ transactionId, id, sequence, type, data, storedAt });
  }
  return { ...positionOf(first), messages, tokenIsGood: first.token_is_good };
}
