-- How what is forgotten, late or stray is removed, in slices that hold up nobody.

-- Removes the first `most` rows of its mailbox, and when that was all, everything else. Returns how many; when it is `most`,
-- the transaction stays, forgotten whatever the clock says. The caller has the row locked FOR UPDATE, and the lock of the count.
CREATE FUNCTION ringback.remove_some(of_tx bigint, most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  removed bigint;
  found_row record;
BEGIN
  DELETE FROM ringback.messages m WHERE m.tx = of_tx AND m.sequence <= (
    SELECT max(l.sequence) FROM (
      SELECT f.sequence FROM ringback.messages f WHERE f.tx = of_tx ORDER BY f.sequence LIMIT most) AS l);
  GET DIAGNOSTICS removed = ROW_COUNT;
  SELECT t.id, t.ends_at, t.settled INTO found_row FROM ringback.transactions t WHERE t.tx = of_tx;
  IF NOT found_row.settled AND found_row.ends_at > ringback.counted('open_since') THEN
    PERFORM ringback.count_more('open', -1);
  END IF;
  IF removed >= most THEN
    UPDATE ringback.transactions t SET ends_at = 0, settled = true WHERE t.tx = of_tx;
    RETURN removed;
  END IF;
  DELETE FROM ringback.names WHERE tx = of_tx;
  DELETE FROM ringback.receipts WHERE tx = of_tx;
  DELETE FROM ringback.tokens WHERE tx = of_tx;
  DELETE FROM ringback.callbacks WHERE tx = of_tx;
  DELETE FROM ringback.connections WHERE tx = of_tx;
  DELETE FROM ringback.tickets WHERE tx = of_tx;
  DELETE FROM ringback.details WHERE tx = of_tx;
  DELETE FROM ringback.transactions WHERE tx = of_tx;
  PERFORM ringback.drop_readers(found_row.id);
  RETURN removed;
END
$$;

-- Forgets one: null (unknown), "busy", or [its key, whether there is more of it]. From now on it is unknown to all.
CREATE FUNCTION ringback.forget_one(at bigint, known_limits ringback.limits, patient boolean, wanted text, most bigint)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  locked bigint[] := ringback.lock_counted(ARRAY[wanted], patient);
  of_tx bigint;
BEGIN
  SELECT t.tx INTO of_tx FROM ringback.transactions t WHERE t.id = wanted AND t.ends_at > at - known_limits.retention_ms;
  IF of_tx IS NULL THEN
    RETURN 'null';
  END IF;
  IF of_tx <> ALL (locked) THEN
    RETURN '"busy"';
  END IF;
  -- Those who add tickets and the like to it are through at once.
  PERFORM FROM ringback.transactions t WHERE t.tx = of_tx FOR UPDATE;
  RETURN json_build_array(of_tx, ringback.remove_some(of_tx, most) >= most);
END
$$;

-- Goes on with one that is forgotten already: whether there is more of it.
CREATE FUNCTION ringback.forget_more(at bigint, known_limits ringback.limits, patient boolean, of_tx bigint, most bigint)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(ringback.open_lock());
  PERFORM FROM ringback.transactions t WHERE t.tx = of_tx FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'false';
  END IF;
  RETURN to_json(ringback.remove_some(of_tx, most) >= most);
END
$$;

-- Forgets what is due, at most `wanted` of each kind and `most` messages. What another instance is at is left to it.
-- {forgotten: [ids], unclaimed: [sources], more: boolean}
CREATE FUNCTION ringback.sweep_all(
  at bigint, known_limits ringback.limits, patient boolean, wanted bigint, most bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  since bigint := at - known_limits.retention_ms;
  item record;
  due bigint := 0;
  removed bigint;
  rows_left bigint := most;
  forgotten text[] := '{}';
  unclaimed text[] := '{}';
  more boolean;
BEGIN
  DELETE FROM ringback.events e WHERE e.hash = ANY (ARRAY (
    SELECT l.hash FROM ringback.events l WHERE l.received_at <= at - known_limits.dedupe_ms
    ORDER BY l.received_at LIMIT wanted FOR UPDATE SKIP LOCKED));
  more := EXISTS (SELECT FROM ringback.events l WHERE l.received_at <= at - known_limits.dedupe_ms);

  WITH gone AS (
    DELETE FROM ringback.parked p WHERE p.ctid = ANY (ARRAY (
      SELECT l.ctid FROM ringback.parked l WHERE l.parked_at + 0 <= at - known_limits.park_ms
      ORDER BY l.parked_at + 0, l.parked LIMIT wanted FOR UPDATE SKIP LOCKED))
    RETURNING p.source, p.parked_at, p.parked
  ) SELECT coalesce(array_agg(g.source ORDER BY g.parked_at, g.parked), '{}') INTO unclaimed FROM gone g;
  PERFORM ringback.count_more('parked', -cardinality(unclaimed));
  more := more OR EXISTS (SELECT FROM ringback.parked p WHERE p.parked_at + 0 <= at - known_limits.park_ms);

  PERFORM pg_advisory_xact_lock_shared(ringback.open_lock());
  FOR item IN
    SELECT t.tx, t.id FROM ringback.transactions t WHERE t.ends_at + 0 <= since
    ORDER BY t.ends_at + 0, t.tx LIMIT wanted + 1 FOR UPDATE SKIP LOCKED
  LOOP
    due := due + 1;
    -- One more than wanted tells that there are more.
    EXIT WHEN due > wanted OR rows_left <= 0;
    removed := ringback.remove_some(item.tx, rows_left);
    rows_left := rows_left - removed;
    IF rows_left > 0 THEN
      forgotten := forgotten || item.id;
    END IF;
  END LOOP;
  more := more OR due > cardinality(forgotten);

  DELETE FROM ringback.tickets k WHERE k.hash = ANY (ARRAY (
    SELECT l.hash FROM ringback.tickets l WHERE l.connection_id IS NULL AND l.expires_at <= at
    ORDER BY l.expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED));

  DELETE FROM ringback.lanes l WHERE l.answered_at < ringback.now_ms() - 86400000;
  RETURN json_build_object('forgotten', forgotten, 'unclaimed', unclaimed, 'more', more);
END
$$;

-- Rows of nodes that are no more, say since they came late: their connections, and the tickets that were good for these only.
-- Who sweeps a node takes its rows along before the node itself.
CREATE FUNCTION ringback.drop_strays(at bigint, known_limits ringback.limits, patient boolean)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  WITH RECURSIVE nodes (node) AS (
    (SELECT c.node FROM ringback.connections c ORDER BY c.node LIMIT 1)
    UNION ALL
    SELECT (SELECT c.node FROM ringback.connections c WHERE c.node > n.node ORDER BY c.node LIMIT 1)
    FROM nodes n WHERE n.node IS NOT NULL
  ), gone AS (
    DELETE FROM ringback.connections c WHERE c.id = ANY (ARRAY (
      SELECT d.id FROM nodes n
      CROSS JOIN LATERAL (SELECT f.id FROM ringback.connections f WHERE f.node = n.node LIMIT 1000) AS d
      WHERE NOT EXISTS (SELECT FROM ringback.nodes l WHERE l.node = n.node) LIMIT 1000))
    RETURNING c.id
  ) DELETE FROM ringback.tickets k WHERE k.connection_id = ANY (ARRAY (SELECT id FROM gone));
  RETURN 'true';
END
$$;
