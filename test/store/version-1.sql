-- A file of schema version 1, as the program of that version wrote it: its tables, rows and marks.
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
INSERT INTO transactions VALUES (1, 'a', 1893456000000, 1894456000000, 1894456000000, 0, 'r', 'https://shop.example', '{"n":1}');
INSERT INTO transactions VALUES (2, 'b', 1893456000000, 1894456000000, 1893456000000, 1, 's', NULL, NULL);
INSERT INTO messages VALUES (1, 1893456000000, 'm1', 'paid', '{"text":"é"}');
INSERT INTO messages VALUES (2, 1893456000000, 'm2', 'note', '2');
INSERT INTO mailboxes VALUES (1, 0, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 1, 1, 13, 1, 1893456000001, 1893456000002, NULL, '"ok"', NULL);
INSERT INTO mailboxes VALUES (1, 2, 2, 14, 1, 1893456000001, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 'key', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 'm1', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 'm2', 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO tokens VALUES ('hash-a', 1, 'token');
INSERT INTO tokens VALUES ('hash-b', 2, 'token');
INSERT INTO callbacks VALUES ('callback-a', 1, 'callback');
INSERT INTO tickets VALUES ('ticket', 1, 'token', 1894456000000, NULL);
PRAGMA application_id = 1380074315;
PRAGMA user_version = 1;
