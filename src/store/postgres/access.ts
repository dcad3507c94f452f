/** Who may reach a transaction, and who does: tokens, callbacks, tickets, connections. Functions: `0001-7-access.sql`. */
import type { Capability, ConnectionChanges, ConnectionRow, NewTicket } from '../store.ts';
import { isStorable, sought } from './storable.ts';
import { IN_USE, Write } from './write.ts';

const MOST_TICKETS = 128;

export interface Grant {
  readonly kind: 'token' | 'callback';
  readonly transactionId: string;
  readonly capability: Capability;
}

export type GrantWrite = Write<Grant, boolean, boolean | 'in_use'>;

export function grantWrite(): GrantWrite {
  return new Write({
    name: 'grant_one',
    types: ['text', 'text', 'text', 'text'],
    most: 1,
    // Who adds a credential takes no lock that a mailbox held by somebody would keep from it.
    place: ({ capability }) => ({ keys: [`h:${capability.hash}`] }),
    texts: ({ capability }) => [capability.id, capability.hash],
    values: (calls) => calls.flatMap((call) => [call.kind, sought(call.transactionId), call.capability.id, call.capability.hash]),
    answers: (answer) => [answer === 'in_use' ? IN_USE : answer],
  });
}

export interface Revocation {
  readonly kind: 'token' | 'callback';
  readonly transactionId: string;
  readonly id: string;
}

export type RevokeWrite = Write<Revocation, boolean, boolean>;

export function revokeWrite(): RevokeWrite {
  return new Write({
    name: 'revoke_one',
    types: ['text', 'text', 'text'],
    most: 1,
    // Takes effect at once, also where an append to the same transaction waits for somebody.
    place: () => ({ keys: [] }),
    texts: () => [],
    values: (calls) => calls.flatMap(({ kind, transactionId, id }) => [kind, sought(transactionId), sought(id)]),
    answers: (answer) => [answer],
  });
}

export type TicketWrite = Write<NewTicket, boolean, readonly (boolean | 'in_use')[]>;

export function ticketWrite(): TicketWrite {
  return new Write({
    name: 'add_tickets',
    types: ['text[]', 'text[]', 'text[]', 'bigint[]'],
    most: MOST_TICKETS,
    place: ({ hash }) => ({ keys: [`h:${hash}`] }),
    texts: ({ hash, tokenId }) => [hash, tokenId],
    values: (calls) => [
      calls.map(({ hash }) => hash),
      calls.map(({ transactionId }) => sought(transactionId)),
      calls.map(({ tokenId }) => tokenId),
      calls.map(({ ttlMs }) => ttlMs),
    ],
    answers: (answers) => answers.map((answer) => (answer === 'in_use' ? IN_USE : answer)),
  });
}

export interface Binding {
  readonly hash: string;
  readonly connectionId: string;
  readonly node: string;
}

export type BindWrite = Write<Binding, boolean, readonly boolean[]>;

export function bindWrite(): BindWrite {
  return new Write({
    name: 'bind_tickets',
    types: ['text[]', 'text[]', 'text[]'],
    most: MOST_TICKETS,
    place: ({ hash }) => ({ keys: [`h:${hash}`] }),
    texts: ({ connectionId, node }) => [connectionId, node],
    values: (calls) => [
      calls.map(({ hash }) => sought(hash)),
      calls.map(({ connectionId }) => connectionId),
      calls.map(({ node }) => node),
    ],
    answers: (answers) => answers,
  });
}

/** Rows with the time of the node's clock when they were handed over. */
export interface ConnectionsCall {
  readonly changes: ConnectionChanges;
  readonly now: number;
}

export type ConnectionsWrite = Write<ConnectionsCall, undefined, boolean>;

export function connectionsWrite(): ConnectionsWrite {
  return new Write({
    name: 'save_connections',
    types: ['text[]', 'text[]', 'text[]', 'text[]', 'bigint[]', 'text[]', 'text'],
    most: 1,
    place: () => ({ keys: ['connections'] }),
    texts: () => [],
    values: (calls) => calls.flatMap(({ changes, now }) => connectionColumns(changes, now)),
    answers: () => [undefined],
  });
}

function connectionColumns({ added, removed, node }: ConnectionChanges, now: number): readonly unknown[] {
  // Of two rows with one id the later one holds.
  const rows = [...new Map(added.filter(isStorableRow).map((row) => [row.id, row])).values()];
  return [
    rows.map(({ id }) => id),
    rows.map(({ transactionId }) => transactionId),
    rows.map(({ node }) => node),
    rows.map(({ transport }) => transport),
    rows.map(({ since }) => now - since),
    removed.filter(isStorable),
    node ?? null,
  ];
}

function isStorableRow({ id, transactionId, node, transport }: ConnectionRow): boolean {
  return [id, transactionId, node, transport].every(isStorable);
}
