/** What is asked without writing: one statement each, and so all of an answer from the same instant. */
import type { Statement } from '../../postgres/pool.ts';
import { stateAt } from '../lifetime.ts';
import { sequenceIn } from '../message-id.ts';
import type {
  ConnectionRow,
  MailboxPosition,
  Receipt,
  StoreLimits,
  TicketRecord,
  TokenRecord,
  TransactionRecord,
} from '../store.ts';
import { Gathering } from './gathering.ts';
import { CLOCK, known, lookUp, POSITION } from './known.ts';
import { persist } from './persist.ts';
import type { Means } from './persist.ts';
import { isStorable, sought } from './storable.ts';

const MOST_BY_REFERENCE = 100;
/** Of secrets that are looked up at once: statements, and hashes in each. */
const LANES = 2;
const MOST_HASHES = 1_000;
/** Of the count of open transactions, which is exact where it matters, near the limit. */
const TALLY_EVERY_MS = 10_000;

const RECORD = `SELECT t.id, t.reference, t.created_at, ${POSITION}, d.metadata, d.anonymous_origin,
  (SELECT json_agg(json_build_array(c.id, c.node, c.transport, c.since) ORDER BY c.since, c.id)
   FROM ${lookUp('connections', 'x.tx = t.tx', 'c')}
   CROSS JOIN ${lookUp('nodes', 'x.node = c.node AND x.lease_until > clock_timestamp()', 'n')})::text AS connections`;
const DETAILS = `LEFT JOIN ${lookUp('details', 'x.tx = t.tx', 'd')} ON true`;

const STATEMENTS = {
  record: { name: 'record', text: `${RECORD} ${known('x.id = $3')} ${DETAILS}` },
  byReference: {
    name: 'by_reference',
    text: `${RECORD} ${known('x.reference = $3')} ${DETAILS}
      ORDER BY t.created_at DESC, t.tx DESC LIMIT ${MOST_BY_REFERENCE}`,
  },
  receipt: {
    name: 'receipt',
    text: `SELECT clock.now, t.ends_at, t.settled, m.sequence, m.stored_at, r.attempts, r.delivered_at, r.handled_at,
      r.failed_at, r.reply, r.error
      ${known('x.id = $3')}
      CROSS JOIN ${lookUp(
        'messages',
        `x.tx = t.tx AND x.id = $4
        AND x.sequence = coalesce((SELECT n.sequence FROM ringback.names n WHERE n.tx = t.tx AND n.name = $4), $5::bigint)`,
        'm',
      )}
      LEFT JOIN ${lookUp('receipts', 'x.tx = m.tx AND x.sequence = m.sequence', 'r')} ON true`,
  },
  token: { name: 'token', text: granted('tokens') },
  callback: { name: 'callback', text: granted('callbacks') },
  ticket: {
    name: 'ticket',
    text: `SELECT w.i, t.id AS transaction_id, k.token_id, k.connection_id ${ofHashes('tickets')}
      WHERE k.connection_id IS NOT NULL OR k.expires_at > clock.now`,
  },
  versions: {
    name: 'versions',
    // A revocation locks no transaction, so that it need not wait for one: that a token is gone is seen by the tokens that are left.
    text: `SELECT (SELECT t.version + coalesce((SELECT sum(hashtext(k.id)) FROM ringback.tokens k WHERE k.tx = t.tx), 0)
        ${known('x.id = w.id')}) AS version
      FROM unnest($3::text[]) WITH ORDINALITY AS w (id, i) ORDER BY w.i`,
  },
  due: {
    name: 'due',
    text: `WITH RECURSIVE nodes (node) AS (
        (SELECT c.node FROM ringback.connections c ORDER BY c.node LIMIT 1)
        UNION ALL
        SELECT (SELECT c.node FROM ringback.connections c WHERE c.node > n.node ORDER BY c.node LIMIT 1)
        FROM nodes n WHERE n.node IS NOT NULL)
      SELECT EXISTS (SELECT FROM ringback.transactions t WHERE t.ends_at + 0 <= clock.now - $2::bigint)
          OR EXISTS (SELECT FROM ringback.tickets k WHERE k.connection_id IS NULL AND k.expires_at <= clock.now)
          OR EXISTS (SELECT FROM ringback.parked p WHERE p.parked_at + 0 <= clock.now - $3::bigint)
          OR EXISTS (SELECT FROM ringback.events e WHERE e.received_at <= clock.now - $4::bigint)
          OR EXISTS (SELECT FROM ringback.lanes l WHERE l.answered_at < ringback.now_ms() - 86400000) AS sweep,
        EXISTS (SELECT FROM nodes n WHERE n.node IS NOT NULL
          AND NOT EXISTS (SELECT FROM ringback.nodes l WHERE l.node = n.node)) AS strays,
        EXISTS (SELECT FROM ringback.counts c WHERE c.name = 'open_since' AND c.shard = 0
          AND c.value <= clock.now - ${TALLY_EVERY_MS}) AS tally
      FROM ${CLOCK}`,
  },
} as const satisfies Record<string, Statement>;

function granted(table: 'tokens' | 'callbacks'): string {
  return `SELECT w.i, t.id AS transaction_id, k.id ${ofHashes(table)}`;
}

/** `k`, what has the hash, with its `t` and `clock`, for each `w`. */
function ofHashes(table: 'tokens' | 'callbacks' | 'tickets'): string {
  const hashes = 'unnest($3::text[]) WITH ORDINALITY AS w (hash, i)';
  return known('x.tx = k.tx', `${hashes} CROSS JOIN ${lookUp(table, 'x.hash = w.hash', 'k')}`);
}

export interface PositionRow {
  readonly now: number;
  readonly expires_at: number;
  readonly ends_at: number;
  readonly settled: boolean;
  readonly last_sequence: number;
  readonly acked_sequence: number;
}

interface RecordRow extends PositionRow {
  readonly id: string;
  readonly reference: string | null;
  readonly created_at: number;
  readonly metadata: string | null;
  readonly anonymous_origin: string | null;
  /** JSON. */
  readonly connections: string | null;
}

interface ReceiptRow extends Pick<PositionRow, 'now' | 'ends_at' | 'settled'> {
  readonly sequence: number;
  readonly stored_at: number;
  readonly attempts: number | null;
  readonly delivered_at: number | null;
  readonly handled_at: number | null;
  readonly failed_at: number | null;
  readonly reply: string | null;
  /** JSON. */
  readonly error: string | null;
}

/** Of one of many that were looked up at once. */
interface PlacedRow {
  /** From 1. */
  readonly i: number;
}

interface GrantedRow extends PlacedRow {
  readonly transaction_id: string;
  readonly id: string;
}

interface TicketRow extends PlacedRow {
  readonly transaction_id: string;
  readonly token_id: string | null;
  readonly connection_id: string | null;
}

/** What a sweep would find to do. */
export interface Due {
  readonly sweep: boolean;
  readonly strays: boolean;
  readonly tally: boolean;
}

export interface ReadsOptions extends Means {
  readonly retentionMs: number;
  /** For tests: the time of each statement. Default: the database's clock. */
  readonly now?: (() => number) | undefined;
}

export class Reads implements AsyncDisposable {
  readonly #options: ReadsOptions;
  readonly #tokens = this.#gather<GrantedRow>(STATEMENTS.token);
  readonly #callbacks = this.#gather<GrantedRow>(STATEMENTS.callback);
  readonly #tickets = this.#gather<TicketRow>(STATEMENTS.ticket);

  constructor(options: ReadsOptions) {
    this.#options = options;
  }

  async receipt(transactionId: string, messageId: string): Promise<Receipt | undefined> {
    const found = await this.#find<ReceiptRow>(STATEMENTS.receipt, [transactionId, messageId], sequenceIn(messageId) ?? null);
    return found[0] && receiptOf(messageId, found[0]);
  }

  async transaction(transactionId: string): Promise<TransactionRecord | undefined> {
    const [row] = await this.#find<RecordRow>(STATEMENTS.record, [transactionId]);
    return row && recordOf(row);
  }

  async byReference(reference: string): Promise<readonly TransactionRecord[]> {
    return (await this.#find<RecordRow>(STATEMENTS.byReference, [reference])).map(recordOf);
  }

  async token(hash: string): Promise<TokenRecord | undefined> {
    const row = await this.#tokens.join(hash);
    return row && { transactionId: row.transaction_id, tokenId: row.id };
  }

  async callback(hash: string): Promise<string | undefined> {
    const row = await this.#callbacks.join(hash);
    return row?.transaction_id;
  }

  async ticket(hash: string): Promise<TicketRecord | undefined> {
    const row = await this.#tickets.join(hash);
    return (
      row && {
        transactionId: row.transaction_id,
        ...(row.token_id === null ? {} : { tokenId: row.token_id }),
        ...(row.connection_id === null ? {} : { connectionId: row.connection_id }),
      }
    );
  }

  async versions(transactionIds: readonly string[]): Promise<readonly (number | undefined)[]> {
    const ids = transactionIds.map((id) => (isStorable(id) ? id : ''));
    const rows = await this.rows<{ readonly version: number | null }>(STATEMENTS.versions, [ids]);
    return rows.map(({ version }) => version ?? undefined);
  }

  async due({ parkMs, dedupeMs }: Pick<StoreLimits, 'parkMs' | 'dedupeMs'>): Promise<Due> {
    const [due] = await this.rows<Due>(STATEMENTS.due, [parkMs, dedupeMs]);
    return due ?? { sweep: true, strays: true, tally: true };
  }

  /** @param values from the third parameter on */
  rows<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    const { pool, now, retentionMs } = this.#options;
    return persist(this.#options, () =>
      pool.query<Row>({ ...statement, isRead: true }, [now?.() ?? null, retentionMs, ...values]),
    );
  }

  /** What was asked before is answered before; of what is looked up by its hash. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#tokens, this.#callbacks, this.#tickets].map((each) => each[Symbol.asyncDispose]()));
  }

  #gather<Row extends PlacedRow>(statement: Statement): Gathering<string, Row | undefined> {
    return new Gathering({
      lanes: LANES,
      most: MOST_HASHES,
      ask: async (hashes) => {
        const byPlace = new Map((await this.rows<Row>(statement, [hashes.map(sought)])).map((row) => [row.i, row]));
        return hashes.map((_, index) => byPlace.get(index + 1));
      },
    });
  }

  /** What cannot be stored is not there. */
  async #find<Row extends object>(
    statement: Statement,
    names: readonly string[],
    ...more: readonly unknown[]
  ): Promise<readonly Row[]> {
    return names.every(isStorable) ? this.rows<Row>(statement, [...names, ...more]) : [];
  }
}

export function positionOf({ now, expires_at, ends_at, settled, last_sequence, acked_sequence }: PositionRow): MailboxPosition {
  return {
    state: stateAt({ endsAt: ends_at, settled }, now),
    expiresAt: expires_at,
    lastSequence: last_sequence,
    ackedSequence: acked_sequence,
  };
}

function recordOf(row: RecordRow): TransactionRecord {
  const { id, reference, created_at: createdAt, metadata, anonymous_origin: anonymousOrigin } = row;
  return {
    ...positionOf(row),
    id,
    createdAt,
    ...(reference === null ? {} : { reference }),
    ...(metadata === null ? {} : { metadata }),
    ...(anonymousOrigin === null ? {} : { anonymousOrigin }),
    connections: connectionsOf(row),
  };
}

function connectionsOf({ id: transactionId, connections }: RecordRow): readonly ConnectionRow[] {
  if (connections === null) return [];
  const rows: readonly (readonly [id: string, node: string, transport: string, since: number])[] = JSON.parse(connections);
  return rows.map(([id, node, transport, since]) => ({ id, transactionId, node, transport, since }));
}

function receiptOf(id: string, row: ReceiptRow): Receipt {
  const { error } = row;
  return {
    id,
    sequence: row.sequence,
    storedAt: row.stored_at,
    transactionState: stateAt({ endsAt: row.ends_at, settled: row.settled }, row.now),
    attempts: row.attempts ?? 0,
    ...(row.delivered_at === null ? {} : { deliveredAt: row.delivered_at }),
    ...(row.handled_at === null ? {} : { handledAt: row.handled_at }),
    ...(row.failed_at === null ? {} : { failedAt: row.failed_at }),
    ...(row.reply === null ? {} : { reply: row.reply }),
    ...(error === null ? {} : { error: textIn(error) }),
  };
}

function textIn(json: string): string {
  const text: string = JSON.parse(json);
  return text;
}
