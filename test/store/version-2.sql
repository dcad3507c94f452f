-- A file of schema version 2, as the program of that version wrote it: its tables, rows and marks.
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
INSERT INTO transactions VALUES (1, 'a', 1893456000000, 1894456000000, 1894456000000, 0, 'r', NULL, NULL);
INSERT INTO messages VALUES (1, 1893456000000, 'm1', 'paid', '{"text":"é"}');
INSERT INTO messages VALUES (2, 1893456000000, 'msg_Zm9vYmFyYmF6cXV4MTIzNDU2', 'note', '2');
INSERT INTO messages VALUES (3, 1893456000000, 'p1', 'paid', '3');
INSERT INTO messages VALUES (4, 1893456000000, 'p2', 'paid', '3');
INSERT INTO mailboxes VALUES (1, 0, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 1, 1, 13, 1, 5, 6, NULL, '"ok"', NULL);
INSERT INTO mailboxes VALUES (1, 2, 2, 14, 1, 5, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 3, 4, 15, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 'key', 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 'm1', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 'msg_Zm9vYmFyYmF6cXV4MTIzNDU2', 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO mailboxes VALUES (1, 'p2', 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO tokens VALUES ('hash-a', 1, 'token');
INSERT INTO events VALUES ('e1', 1893456000000);
INSERT INTO events VALUES ('e2', 1893456000000);
INSERT INTO parked VALUES ('later', 3, 'p1', 'acme', 1893456000000, 1, 0, 0);
PRAGMA application_id = 1380074315;
PRAGMA user_version = 2;
