/**
 * The tables of the SQLite store and how an older file becomes a current one. Every migration is one entry, never changed
 * after its release; `user_version` counts those that a file has seen.
 */
import type { DatabaseSync } from 'node:sqlite';
import { integer } from './columns.ts';

/** Marks a file as ours, in its header: "RBCK". */
export const APPLICATION_ID = 0x5242434b;

/**
 * `tx` is a small key of ours for a transaction: rows of new transactions then lie together at the end of each table, where
 * the random public id would scatter them.
 *
 * What a commit costs is the pages it touches. So the messages of all are one log, in the order in which they came, and
 * everything else of a mailbox is small and lies together in `mailboxes`: a row for each sequence with its receipt, a row
 * for each name, and row 0 with the position. A mark never rewrites a message.
 */
const CREATE = `
CREATE TABLE transactions (
  tx INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL, -- when it was settled, else expires_at
  settled INTEGER NOT NULL DEFAULT 0,
  reference TEXT,
  anonymous_origin TEXT,
  metadata TEXT
) STRICT;
CREATE INDEX transactions_by_end ON transactions (ends_at);
CREATE INDEX transactions_by_reference ON transactions (reference, ends_at) WHERE reference IS NOT NULL;

CREATE TABLE messages (
  message INTEGER PRIMARY KEY,
  stored_at INTEGER NOT NULL,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  data TEXT NOT NULL
) STRICT;

CREATE TABLE mailboxes (
  tx INTEGER NOT NULL,
  entry ANY NOT NULL, -- 0, a sequence, or as text a message id or idempotency key
  target INTEGER NOT NULL, -- of 0: the acked sequence; of a sequence: its message; of a name: its sequence
  mailbox_bytes INTEGER, -- of the data of this message and all before it
  attempts INTEGER,
  delivered_at INTEGER,
  handled_at INTEGER,
  failed_at INTEGER,
  reply TEXT,
  error TEXT,
  PRIMARY KEY (tx, entry)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  hash TEXT NOT NULL PRIMARY KEY,
  tx INTEGER NOT NULL,
  id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tokens_by_transaction ON tokens (tx, id);

CREATE TABLE callbacks (
  hash TEXT NOT NULL PRIMARY KEY,
  tx INTEGER NOT NULL,
  id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX callbacks_by_transaction ON callbacks (tx, id);

CREATE TABLE tickets (
  hash TEXT NOT NULL PRIMARY KEY,
  tx INTEGER NOT NULL,
  token_id TEXT,
  expires_at INTEGER NOT NULL, -- counts while connection_id is null
  connection_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX tickets_by_transaction ON tickets (tx);
CREATE INDEX tickets_by_connection ON tickets (connection_id) WHERE connection_id IS NOT NULL;
CREATE INDEX tickets_by_expiry ON tickets (expires_at) WHERE connection_id IS NULL;

CREATE TABLE connections (
  id TEXT NOT NULL PRIMARY KEY,
  tx INTEGER NOT NULL,
  node TEXT NOT NULL,
  transport TEXT NOT NULL,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connections_by_transaction ON connections (tx);
`;

/**
 * `events` are the webhooks that were received, by their hashes. A message that waits for its transaction is in `messages`
 * like any other, so that it is not written again when the transaction is opened; `parked` says whom it waits for.
 */
const RECEIVE = `
CREATE TABLE events (
  hash TEXT NOT NULL PRIMARY KEY,
  received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_time ON events (received_at);

CREATE TABLE parked (
  reference TEXT NOT NULL,
  message INTEGER NOT NULL, -- each that arrives has a higher one
  id TEXT NOT NULL,
  source TEXT NOT NULL,
  parked_at INTEGER NOT NULL,
  bytes INTEGER NOT NULL, -- of its data
  messages_before INTEGER NOT NULL, -- since one of this reference was parked first
  bytes_before INTEGER NOT NULL, -- of the data of these
  PRIMARY KEY (reference, message)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX parked_by_id ON parked (reference, id);
CREATE INDEX parked_by_time ON parked (parked_at, message);
`;

/**
 * A row in `mailboxes` for each message would touch a page of its mailbox in each commit. So what the row says is in the
 * message too, and the rows are written later, those of one mailbox together: `filed` says up to which message all are.
 * Messages of before have their rows; a parked one gets its row with its transaction.
 */
const FILE_LATER = `
ALTER TABLE messages ADD COLUMN tx INTEGER;
ALTER TABLE messages ADD COLUMN sequence INTEGER;
ALTER TABLE messages ADD COLUMN mailbox_bytes INTEGER; -- as in mailboxes
CREATE TABLE filed (
  message INTEGER NOT NULL
) STRICT;
INSERT INTO filed SELECT coalesce(max(message), 0) FROM messages;
`;

const MIGRATIONS: readonly string[] = [CREATE, RECEIVE, FILE_LATER];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings a file to {@link SCHEMA_VERSION}, all at once or not at all. */
export function migrate(database: DatabaseSync): void {
  const version = integer(database.prepare('PRAGMA user_version').get() ?? {}, 'user_version');
  if (version === SCHEMA_VERSION) return;
  database.exec('BEGIN IMMEDIATE');
  for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
}

/** Writes a page of the file, and with it proves that this can be done; what it says stays the same. */
export function touch(database: DatabaseSync): void {
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}
