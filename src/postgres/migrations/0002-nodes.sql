-- Who takes part, and which node has readers of which transaction.

-- A node that does not renew its lease is dead to the others. All by the clock of the database.
CREATE TABLE ringback.nodes (
  node text COLLATE "C" PRIMARY KEY,
  -- Where other nodes reach it; null while it cannot be reached.
  address text,
  lease_until timestamptz NOT NULL,
  -- Since when the lease has not lapsed: whoever was away himself may not judge who else is.
  held_since timestamptz NOT NULL
) WITH (fillfactor = 20);

-- Lost in a crash of the database or a failover, on purpose: it is written for every page that comes, and every node
-- writes its own again. The transaction '' stands for "all that this node has registered is here".
CREATE UNLOGGED TABLE ringback.readers (
  transaction_id text COLLATE "C" NOT NULL,
  node text COLLATE "C" NOT NULL,
  PRIMARY KEY (transaction_id, node)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);

-- For who sweeps a node. By an expression: a plan that looks for a transaction cannot take this one by mistake.
CREATE INDEX readers_by_node ON ringback.readers ((node || ''));

-- What the nodes alone know, all of them the same.
CREATE TABLE ringback.secrets (
  name text PRIMARY KEY,
  value bytea NOT NULL
);

-- Rings the nodes that have readers of these transactions, each once, and says how many they are. The ids must be short
-- enough to fit into one notification, together and with a space between them: below 8,000 bytes.
CREATE FUNCTION ringback.ring_nodes(transaction_ids text[], prefix text DEFAULT '', but_not text DEFAULT '') RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  rung integer := 0;
  concerned record;
BEGIN
  FOR concerned IN
    SELECT g.node, g.ids
    FROM (
      SELECT r.node, string_agg(r.transaction_id, ' ') AS ids FROM ringback.readers r
      WHERE r.transaction_id = ANY (transaction_ids) AND r.node <> but_not GROUP BY r.node
    ) AS g
    CROSS JOIN LATERAL (
      SELECT FROM ringback.nodes n WHERE n.node = g.node AND n.lease_until > clock_timestamp() OFFSET 0
    ) AS alive
  LOOP
    PERFORM pg_notify('ringback_' || concerned.node, prefix || concerned.ids);
    rung := rung + 1;
  END LOOP;
  RETURN rung;
END $$;

-- Notes that a node has readers of these transactions, and none of those any more. Only of transactions that are there: one that
-- is being forgotten is waited for, and one that is locked here is forgotten after this commit, with this row. So rows of
-- transactions are locked first, in the order in which all do it.
CREATE FUNCTION ringback.save_readers(wanted text[], no_longer text[], of_node text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  there text[];
BEGIN
  -- The rows do not outlive a crash, so the locks of this transaction, which do, are not worth a flush of the disk.
  PERFORM set_config('synchronous_commit', 'off', true);
  there := ARRAY (SELECT t.id FROM ringback.transactions t WHERE t.id = ANY (wanted) ORDER BY t.tx + 0 FOR KEY SHARE);
  INSERT INTO ringback.readers (transaction_id, node) SELECT w.id, of_node FROM unnest(there) AS w (id) ON CONFLICT DO NOTHING;
  DELETE FROM ringback.readers r WHERE r.transaction_id = ANY (no_longer) AND r.node = of_node;
END $$;

-- Nothing of a forgotten transaction stays, and so not who reads it either. Whoever rings after that commit finds nobody, so
-- the commit itself rings.
CREATE FUNCTION ringback.drop_readers(of_transaction text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reader record;
BEGIN
  FOR reader IN DELETE FROM ringback.readers r WHERE r.transaction_id = of_transaction RETURNING r.node LOOP
    PERFORM pg_notify('ringback_' || reader.node, of_transaction);
  END LOOP;
END $$;

-- Renews the lease of a node, or lets it join; and tells it what it has to know.
CREATE FUNCTION ringback.renew(
  this_node text, its_address text, lease_ms integer, grace_ms integer,
  OUT now_ms double precision,
  -- The lease was over, or there was none: rows of this node may have been removed.
  OUT lapsed boolean,
  -- Its readers are still registered.
  OUT registered boolean,
  -- How many nodes there are besides it.
  OUT others integer,
  -- Nodes that have been dead for the grace; none unless this one has been alive for a whole lease.
  OUT dead text[]
) LANGUAGE plpgsql AS $$
DECLARE
  lease CONSTANT interval := lease_ms * interval '1 millisecond';
  this_instant timestamptz;
  before ringback.nodes%ROWTYPE;
  since timestamptz;
BEGIN
  SELECT * INTO before FROM ringback.nodes n WHERE n.node = this_node FOR UPDATE;
  -- After the lock, for which it may have waited.
  this_instant := clock_timestamp();
  lapsed := before.node IS NULL OR before.lease_until < this_instant;
  since := CASE WHEN lapsed THEN this_instant ELSE before.held_since END;
  INSERT INTO ringback.nodes AS n (node, address, lease_until, held_since)
  VALUES (this_node, its_address, this_instant + lease, since)
  ON CONFLICT (node) DO UPDATE
    SET address = excluded.address, lease_until = excluded.lease_until, held_since = excluded.held_since;
  INSERT INTO ringback.readers (transaction_id, node) VALUES ('', this_node) ON CONFLICT DO NOTHING;
  registered := NOT FOUND;
  now_ms := extract(epoch FROM this_instant) * 1000;
  SELECT count(*) FILTER (WHERE n.lease_until >= this_instant),
    array_agg(n.node) FILTER (WHERE n.lease_until < this_instant - grace_ms * interval '1 millisecond')
    INTO others, dead
    FROM ringback.nodes n WHERE n.node <> this_node;
  IF dead IS NULL OR since > this_instant - lease THEN
    dead := '{}';
  END IF;
  IF lapsed THEN
    PERFORM pg_notify('ringback_' || n.node, '+')
      FROM ringback.nodes n WHERE n.node <> this_node AND n.lease_until >= this_instant;
  END IF;
END $$;

-- Removes at most so many rows of each kind that a dead node has left: readers, connections with their tickets, tickets whose
-- connection had no row yet, and at last the node itself; false when there is more to do. Who sweeps the same node at the same
-- time, and a node that comes back meanwhile, waits for this.
CREATE FUNCTION ringback.sweep_node(dead_node text, grace_ms integer, most integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  removed integer;
  removed_tickets integer;
  connection_ids text[];
BEGIN
  PERFORM FROM ringback.nodes n
    WHERE n.node = dead_node AND n.lease_until < clock_timestamp() - grace_ms * interval '1 millisecond' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN true;
  END IF;
  DELETE FROM ringback.readers WHERE ctid = ANY (ARRAY (
    SELECT r.ctid FROM ringback.readers r WHERE r.node || '' = dead_node LIMIT most));
  GET DIAGNOSTICS removed = ROW_COUNT;
  WITH gone AS (
    DELETE FROM ringback.connections WHERE id = ANY (ARRAY (
      SELECT c.id FROM ringback.connections c WHERE c.node = dead_node ORDER BY c.id LIMIT most)) RETURNING id
  ) SELECT coalesce(array_agg(id), '{}') INTO connection_ids FROM gone;
  DELETE FROM ringback.tickets WHERE connection_id = ANY (connection_ids);
  DELETE FROM ringback.tickets WHERE hash = ANY (ARRAY (
    SELECT k.hash FROM ringback.tickets k WHERE k.node = dead_node ORDER BY k.hash LIMIT most));
  GET DIAGNOSTICS removed_tickets = ROW_COUNT;
  IF greatest(removed, removed_tickets, cardinality(connection_ids)) >= most THEN
    RETURN false;
  END IF;
  DELETE FROM ringback.nodes n WHERE n.node = dead_node;
  RETURN true;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ringback FROM PUBLIC;
