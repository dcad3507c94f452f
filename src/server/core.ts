/**
 * The store, the doorbell and the mailbox domain on them: which implementation each port gets is decided here and nowhere
 * else.
 */
import { MemoryBackplane } from '../backplane/memory.ts';
import type { Backplane } from '../backplane/backplane.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { MemoryStore } from '../store/memory.ts';
import { SqliteStore } from '../store/sqlite/sqlite.ts';
import type { Store, StoreLimits } from '../store/store.ts';
import { ConnectionTable } from '../transactions/connection-table.ts';
import { FreshGrants } from '../transactions/fresh-grants.ts';
import { Mailbox } from '../transactions/mailbox.ts';
import { Receipts } from '../transactions/receipts.ts';
import { Sweeper } from '../transactions/sweeper.ts';
import { Tickets } from '../transactions/tickets.ts';
import { Transactions } from '../transactions/transactions.ts';
import type { Configuration } from './configuration.ts';

export interface Core {
  readonly store: Store;
  readonly backplane: Backplane;
  readonly receipts: Receipts;
  readonly connections: ConnectionTable;
  readonly tickets: Tickets;
  readonly transactions: Transactions;
  readonly mailbox: Mailbox;
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
  const store = await openStore(configuration, { clock, logger });
  const backplane = new MemoryBackplane();
  const receipts = new Receipts({ store, clock });
  const connections = new ConnectionTable({ store, clock });
  const fresh = new FreshGrants(clock);
  const sweeper = new Sweeper({ store, backplane, ...parts });
  return {
    store,
    backplane,
    receipts,
    connections,
    tickets: new Tickets({ store, fresh }),
    transactions: new Transactions({ store, backplane, receipts, connections, fresh }),
    mailbox: new Mailbox({ store, backplane, receipts, clock }),
    async close() {
      for (const part of [sweeper, receipts, connections, backplane, store]) await part[Symbol.asyncDispose]();
    },
  };
}

async function openStore(
  { store, limits, retentionSeconds }: Configuration,
  parts: Pick<CoreParts, 'clock' | 'logger'>,
): Promise<Store> {
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
      return new MemoryStore({ limits: storeLimits, clock: parts.clock });
    case 'sqlite':
      return SqliteStore.open({ file: store.file, limits: storeLimits, ...parts });
    default:
      return store satisfies never;
  }
}
