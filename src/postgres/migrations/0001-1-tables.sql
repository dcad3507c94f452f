-- The tables of the store. `tx` is a small key of ours for a transaction: rows of new transactions then lie together at the
-- end of each table and index, where the random public id would scatter them. Text is compared byte by byte.
--
-- What changes often is small and has no index on it, so that PostgreSQL updates it in its page (HOT): the row of a
-- transaction has its counters, a message is written once, and what became of it is in `receipts`.
-- There are no foreign keys: whoever adds rows of a transaction holds a lock on it, and whoever removes it a stronger one.

CREATE TABLE ringback.transactions (
  tx bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  reference text COLLATE "C",
  created_at bigint NOT NULL, -- epoch milliseconds of the database's clock, as all times here
  expires_at bigint NOT NULL,
  ends_at bigint NOT NULL, -- when it was settled, else expires_at; 0: what is left of it is being removed
  settled boolean NOT NULL DEFAULT false,
  last_sequence bigint NOT NULL DEFAULT 0,
  acked_sequence bigint NOT NULL DEFAULT 0,
  mailbox_bytes bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL -- another one whenever somebody could see something new
) WITH (fillfactor = 70);
-- By an expression: a plan that looks for a reference cannot take this one by mistake.
CREATE INDEX transactions_by_end ON ringback.transactions ((ends_at + 0), tx);
CREATE INDEX transactions_by_reference ON ringback.transactions (reference, ends_at) WHERE reference IS NOT NULL;

-- What is seldom asked for, and would be copied with each change of the counters.
CREATE TABLE ringback.details (
  tx bigint PRIMARY KEY,
  anonymous_origin text,
  metadata text
);

CREATE TABLE ringback.messages (
  tx bigint NOT NULL,
  sequence bigint NOT NULL,
  stored_at bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  data text COLLATE "C" NOT NULL, -- not jsonb: it comes back byte for byte
  PRIMARY KEY (tx, sequence)
);

-- Ids that were given and idempotency keys. An id that was made here ends with its sequence, and needs no row.
CREATE TABLE ringback.names (
  tx bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  PRIMARY KEY (tx, name)
);

-- One row for each message of which a mark was made.
CREATE TABLE ringback.receipts (
  tx bigint NOT NULL,
  sequence bigint NOT NULL,
  attempts bigint NOT NULL,
  delivered_at bigint,
  handled_at bigint,
  failed_at bigint,
  reply text,
  error text, -- as JSON: a page may say what PostgreSQL has no text for
  PRIMARY KEY (tx, sequence)
) WITH (fillfactor = 80);

CREATE TABLE ringback.tokens (
  hash text COLLATE "C" PRIMARY KEY,
  tx bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  UNIQUE (tx, id)
);

CREATE TABLE ringback.callbacks (
  hash text COLLATE "C" PRIMARY KEY,
  tx bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  UNIQUE (tx, id)
);

CREATE TABLE ringback.tickets (
  hash text COLLATE "C" PRIMARY KEY,
  tx bigint NOT NULL,
  token_id text COLLATE "C",
  expires_at bigint NOT NULL, -- counts while connection_id is null
  connection_id text COLLATE "C",
  node text COLLATE "C" -- that carries the connection
);
CREATE INDEX tickets_by_transaction ON ringback.tickets (tx);
-- One ticket for each connection: whichever of two nodes is first has it.
CREATE UNIQUE INDEX tickets_by_connection ON ringback.tickets (connection_id) WHERE connection_id IS NOT NULL;
CREATE INDEX tickets_by_node ON ringback.tickets (node, hash) WHERE node IS NOT NULL;
CREATE INDEX tickets_by_expiry ON ringback.tickets (expires_at) WHERE connection_id IS NULL;

CREATE TABLE ringback.connections (
  id text COLLATE "C" PRIMARY KEY,
  tx bigint NOT NULL,
  node text COLLATE "C" NOT NULL,
  transport text NOT NULL,
  since bigint NOT NULL
);
CREATE INDEX connections_by_transaction ON ringback.connections (tx);
CREATE INDEX connections_by_node ON ringback.connections (node);

-- Webhooks that were received, by their hashes.
CREATE TABLE ringback.events (
  hash text COLLATE "C" PRIMARY KEY,
  received_at bigint NOT NULL
);
CREATE INDEX events_by_time ON ringback.events (received_at);

-- Messages that wait for the transaction with their reference.
CREATE TABLE ringback.parked (
  parked bigint GENERATED ALWAYS AS IDENTITY,
  reference text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  source text NOT NULL,
  type text COLLATE "C" NOT NULL,
  data text COLLATE "C" NOT NULL,
  parked_at bigint NOT NULL,
  bytes bigint NOT NULL, -- of its data
  messages_before bigint NOT NULL, -- since one of this reference was parked first
  bytes_before bigint NOT NULL, -- of the data of these
  PRIMARY KEY (reference, parked),
  UNIQUE (reference, id)
);
CREATE INDEX parked_by_time ON ringback.parked ((parked_at + 0), parked);

-- How many there are, for the limits of the whole store: each is the sum of its shards, so that those who count do not wait
-- for each other. `open` counts transactions that are not settled and end after `open_since`.
CREATE TABLE ringback.counts (
  name text COLLATE "C" NOT NULL,
  shard integer NOT NULL,
  value bigint NOT NULL,
  PRIMARY KEY (name, shard)
) WITH (fillfactor = 10);
INSERT INTO ringback.counts (name, shard, value)
SELECT name, shard, 0 FROM unnest(ARRAY['open', 'parked']) AS name, generate_series(0, 15) AS shard;
INSERT INTO ringback.counts (name, shard, value) VALUES ('open_since', 0, 0);

-- The last batch of each lane of each instance, with its answers: how a commit whose confirmation was lost is told.
CREATE TABLE ringback.lanes (
  lane bigint PRIMARY KEY,
  batch bigint NOT NULL,
  answered_at bigint NOT NULL,
  answers text NOT NULL
) WITH (fillfactor = 10);

-- What an instance gives along with each batch.
CREATE TYPE ringback.limits AS (
  retention_ms bigint,
  messages bigint, -- in one mailbox
  bytes bigint,
  park_ms bigint,
  parked bigint,
  dedupe_ms bigint,
  open bigint
);

-- The limits as the instances have them, for functions that apps call.
CREATE TABLE ringback.settings (
  name text PRIMARY KEY,
  value bigint NOT NULL
);

-- Rows come and go: each of these tables is cleaned when a small part of it is dead, whatever its size.
DO $$
DECLARE
  each text;
BEGIN
  FOREACH each IN ARRAY ARRAY[
    'transactions', 'details', 'messages', 'names', 'receipts', 'tokens', 'callbacks', 'tickets', 'connections', 'events', 'parked'
  ] LOOP
    EXECUTE format(
      'ALTER TABLE ringback.%I SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05,
        autovacuum_vacuum_cost_delay = 1, autovacuum_vacuum_cost_limit = 2000)', each);
  END LOOP;
  FOREACH each IN ARRAY ARRAY['counts', 'lanes'] LOOP
    EXECUTE format(
      'ALTER TABLE ringback.%I SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)', each);
  END LOOP;
END
$$;

-- Where the server was built with it, lz4 costs a fraction of the processor time of the default.
DO $$
BEGIN
  ALTER TABLE ringback.messages ALTER COLUMN data SET COMPRESSION lz4;
  ALTER TABLE ringback.parked ALTER COLUMN data SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
  NULL;
END
$$;
