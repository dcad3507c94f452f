/**
 * The store, the doorbell and the mailbox domain on them: which implementation each port gets is decided here and nowhere
 * else.
 */
import type { Backplane } from '../backplane/backplane.ts';
import { MemoryBackplane } from '../backplane/memory.ts';
import { PostgresBackplane } from '../backplane/postgres/postgres.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { migrate, StoreDatabaseError } from '../postgres/migrate.ts';
import { Nodes } from '../postgres/nodes.ts';
import { Pool } from '../postgres/pool.ts';
import { MemoryStore } from '../store/memory.ts';
import { PostgresStore } from '../store/postgres/postgres.ts';
import { SqliteStore } from '../store/sqlite/sqlite.ts';
import type { Store, StoreLimits } from '../store/store.ts';
import { ConnectionTable } from '../transactions/connection-table.ts';
import { FreshGrants } from '../transactions/fresh-grants.ts';
import { Mailbox } from '../transactions/mailbox.ts';
import { Patrol } from '../transactions/patrol.ts';
import { Receipts } from '../transactions/receipts.ts';
import { Sweeper } from '../transactions/sweeper.ts';
import { Tickets } from '../transactions/tickets.ts';
import { Transactions } from '../transactions/transactions.ts';
import type { Configuration } from './configuration.ts';
import { createNodeName } from './peers/node-name.ts';

export interface Core {
  readonly store: Store;
  readonly backplane: Backplane;
  readonly receipts: Receipts;
  readonly connections: ConnectionTable;
  readonly tickets: Tickets;
  readonly transactions: Transactions;
  readonly mailbox: Mailbox;
  /** The name of this node. */
  readonly node: string;
  /** Those that share the store; undefined where there is this one only. */
  readonly nodes: Nodes | undefined;
  /** Tells the time of the store, by which transactions expire. */
  readonly storeClock: Clock;
  /** Makes everything that was noted durable, then lets go of the store. */
  close(): Promise<void>;
}

export interface CoreParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of parked webhooks that nobody came for in time. */
  readonly onUnclaimed?: (source: string, count: number) => void;
}

export async function openCore(configuration: Configuration, parts: CoreParts): Promise<Core> {
  const { clock, logger } = parts;
  const node = createNodeName();
  const { store, shared } = await openStore(configuration, { clock, logger, node });
  const { backplane, patrol } = openBackplane(configuration, { store, shared, clock, logger });
  // Without a doorbell between nodes nobody hears of receipts but by the patrol.
  const receipts = new Receipts({ store, clock, backplane: backplane instanceof MemoryBackplane ? undefined : backplane });
  const connections = new ConnectionTable({ store, clock, node: shared?.nodes.node });
  shared?.nodes.observe({ lapsed: () => connections.writeAgain() });
  const fresh = new FreshGrants(clock);
  const sweeper = new Sweeper({ store, backplane, ...parts });
  return {
    store,
    backplane,
    receipts,
    connections,
    tickets: new Tickets({ store, fresh, isShared: shared !== undefined }),
    transactions: new Transactions({ store, backplane, receipts, connections, fresh }),
    mailbox: new Mailbox({ store, backplane, receipts, clock }),
    node,
    nodes: shared?.nodes,
    storeClock: shared?.nodes.time ?? clock,
    async close() {
      const parts = [sweeper, patrol, receipts, connections, backplane, shared?.nodes, store, shared?.pool];
      for (const part of parts) await part?.[Symbol.asyncDispose]();
    },
  };
}

/** What nodes have that share a database. */
interface Shared {
  readonly pool: Pool;
  readonly nodes: Nodes;
}

interface OpenedStore {
  readonly store: Store;
  readonly shared?: Shared;
}

interface BackplaneParts {
  readonly store: Store;
  readonly shared: Shared | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Where the store is shared there is a patrol, whatever the doorbell. */
function openBackplane(
  { backplane: { kind } }: Configuration,
  { store, shared, clock, logger }: BackplaneParts,
): { readonly backplane: Backplane; readonly patrol?: Patrol } {
  if (shared === undefined) return { backplane: new MemoryBackplane() };
  // What may have been missed it finds with fewer questions than all readers would ask.
  const onListening = (transactionIds: readonly string[]): void => patrol.look(transactionIds);
  const backplane = kind === 'memory' ? new MemoryBackplane() : new PostgresBackplane({ ...shared, clock, logger, onListening });
  const patrol = new Patrol({ store, backplane, clock, logger });
  return { backplane, patrol };
}

async function openStore(
  { store, limits, retentionSeconds }: Configuration,
  { node, ...parts }: Pick<CoreParts, 'clock' | 'logger'> & { readonly node: string },
): Promise<OpenedStore> {
  const storeLimits: StoreLimits = {
    openTransactions: limits.openTransactions,
    messagesPerTransaction: limits.messagesPerTransaction,
    mailboxBytes: limits.mailboxBytes,
    retentionMs: retentionSeconds * 1000,
    parkedMessages: limits.parkedMessages,
    parkMs: limits.parkedSeconds * 1000,
    dedupeMs: limits.webhookDedupeSeconds * 1000,
  };
  switch (store.kind) {
    case 'memory':
      return { store: new MemoryStore({ limits: storeLimits, clock: parts.clock }) };
    case 'sqlite':
      return { store: await SqliteStore.open({ file: store.file, limits: storeLimits, ...parts }) };
    case 'postgres':
      return openPostgres(store.url, { ...parts, node, limits: storeLimits, messageBytes: limits.messageBytes });
    default:
      return store satisfies never;
  }
}

interface PostgresParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: string;
  readonly limits: StoreLimits;
  readonly messageBytes: number;
}

async function openPostgres(url: string, { clock, logger, node, ...rest }: PostgresParts): Promise<OpenedStore> {
  await migrate(url);
  const pool = new Pool({ url, logger });
  try {
    const store = await PostgresStore.open({ pool, clock, ...rest });
    return { store, shared: { pool, nodes: await Nodes.open({ url, pool, node, clock, logger }) } };
  } catch (error) {
    await pool[Symbol.asyncDispose]();
    throw StoreDatabaseError.of(error, url);
  }
}
