-- How events of webhooks are taken, and messages parked that nobody is there for yet.

-- How many of one kind are counted.
CREATE FUNCTION ringback.counted(wanted text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT sum(value)::bigint FROM ringback.counts WHERE name = wanted
$$;

CREATE FUNCTION ringback.count_more(wanted text, more bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF more <> 0 THEN
    UPDATE ringback.counts SET value = value + more WHERE name = wanted AND shard = pg_backend_pid() % 16;
  END IF;
END
$$;

-- Parks one message. The caller has the lock of its reference.
CREATE FUNCTION ringback.park(
  at bigint, known_limits ringback.limits,
  for_reference text, of_source text, with_id text, of_type text, with_data text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  since bigint := at - known_limits.park_ms;
  size bigint := octet_length(with_data);
  before record;
  oldest record;
  waiting bigint := 0;
  waiting_bytes bigint := 0;
  total bigint;
BEGIN
  IF EXISTS (SELECT FROM ringback.parked WHERE reference = for_reference AND id = with_id AND parked_at > since) THEN
    RETURN 'in_use';
  END IF;
  -- One that is late is as good as gone.
  DELETE FROM ringback.parked WHERE reference = for_reference AND id = with_id AND parked_at <= since;
  IF FOUND THEN
    PERFORM ringback.count_more('parked', -1);
  END IF;
  -- Late ones count too, so that what is said of those before goes on without a break.
  SELECT messages_before + 1 AS messages, bytes_before + bytes AS bytes INTO before
  FROM ringback.parked WHERE reference = for_reference ORDER BY parked DESC LIMIT 1;
  SELECT messages_before AS messages, bytes_before AS bytes INTO oldest
  FROM ringback.parked WHERE reference = for_reference AND parked_at > since ORDER BY parked LIMIT 1;
  IF oldest.messages IS NOT NULL THEN
    waiting := before.messages - oldest.messages;
    waiting_bytes := before.bytes - oldest.bytes;
  END IF;
  IF waiting >= known_limits.messages THEN
    RETURN 'messagesPerTransaction';
  END IF;
  IF waiting_bytes + size > known_limits.bytes THEN
    RETURN 'mailboxBytes';
  END IF;
  -- Near the limit one after the other, and exactly: what is late is as good as gone.
  IF ringback.counted('parked') + 1000 >= known_limits.parked THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('ringback.parked', 0));
    SELECT ringback.counted('parked') - count(*) INTO total FROM ringback.parked WHERE parked_at + 0 <= since;
    IF total >= known_limits.parked THEN
      RETURN 'parkedMessages';
    END IF;
  END IF;
  INSERT INTO ringback.parked (reference, id, source, type, data, parked_at, bytes, messages_before, bytes_before)
  VALUES (for_reference, with_id, of_source, of_type, with_data, at, size,
    coalesce(before.messages, 0), coalesce(before.bytes, 0));
  PERFORM ringback.count_more('parked', 1);
  RETURN 'parked';
END
$$;

-- Takes events, no two with one hash. [at, [for each: [outcome, transaction id or null, sequence or null]]]
CREATE FUNCTION ringback.receive_all(
  at bigint, known_limits ringback.limits, patient boolean,
  hashes text[], transaction_ids text[], to_references text[], sources text[], ids text[], id_at bigint[],
  types text[], datas text[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  size integer := cardinality(hashes);
  since bigint := at - known_limits.retention_ms;
  fresh text[];
  targets text[];
  open_targets text[];
  wanted text[];
  done record;
  outcomes text[];
  nothing bigint[] := array_fill(NULL::bigint, ARRAY[size]);
  none text[] := array_fill(NULL::text, ARRAY[size]);
BEGIN
  -- Who waits for somebody at work on a transaction has none of the locks meanwhile that others wait for.
  IF patient THEN
    PERFORM ringback.lock_transactions(transaction_ids, true);
    PERFORM FROM ringback.transactions t WHERE t.reference = ANY (to_references) AND t.ends_at > since
    ORDER BY t.tx + 0 FOR NO KEY UPDATE;
  END IF;
  WITH noted AS (
    INSERT INTO ringback.events AS e (hash, received_at) SELECT h, at FROM unnest(hashes) AS h ORDER BY h
    ON CONFLICT (hash) DO UPDATE SET received_at = excluded.received_at WHERE e.received_at <= at - known_limits.dedupe_ms
    RETURNING e.hash
  ) SELECT coalesce(array_agg(hash), '{}') INTO fresh FROM noted;
  PERFORM pg_advisory_xact_lock(k) FROM (
    SELECT DISTINCT ringback.reference_lock(r) AS k FROM unnest(to_references) AS r WHERE r IS NOT NULL ORDER BY k) AS locks;
  SELECT array_agg(coalesce(w.transaction_id, opened.id, latest.id) ORDER BY w.i),
    array_agg(CASE WHEN w.hash = ANY (fresh) THEN coalesce(w.transaction_id, opened.id, latest.id) END ORDER BY w.i)
  INTO targets, wanted
  FROM unnest(hashes, transaction_ids, to_references) WITH ORDINALITY AS w (hash, transaction_id, reference, i)
  LEFT JOIN LATERAL (
    SELECT t.id FROM ringback.transactions t WHERE t.reference = w.reference AND t.ends_at > at AND NOT t.settled LIMIT 1
  ) AS opened ON true
  LEFT JOIN LATERAL (
    SELECT t.id FROM ringback.transactions t WHERE t.reference = w.reference AND t.ends_at > since
    ORDER BY t.ends_at DESC, t.tx DESC LIMIT 1
  ) AS latest ON true;
  done := ringback.put(at, known_limits, patient, wanted, ids, id_at, none, none, nothing, types, datas);
  outcomes := done.outcomes;
  FOR i IN 1 .. size LOOP
    outcomes[i] := CASE
      WHEN NOT hashes[i] = ANY (fresh) THEN 'duplicate'
      -- The event is new, so its message is too: one with this id is another's.
      WHEN outcomes[i] IN ('duplicate', 'conflict') THEN 'in_use'
      WHEN outcomes[i] <> 'unknown' OR to_references[i] IS NULL THEN outcomes[i]
      WHEN targets[i] IS NOT NULL THEN 'busy' -- It was forgotten just now: look again.
      ELSE ringback.park(at, known_limits, to_references[i], sources[i], ids[i], types[i], datas[i]) END;
  END LOOP;
  -- Of these nothing is kept.
  DELETE FROM ringback.events e WHERE e.hash = ANY (ARRAY (
    SELECT o.hash FROM unnest(hashes, outcomes) AS o (hash, outcome)
    WHERE o.hash = ANY (fresh) AND o.outcome NOT IN ('stored', 'parked', 'settled', 'expired')));
  SELECT array_agg(t.id ORDER BY o.i) INTO open_targets
  FROM unnest(outcomes, targets) WITH ORDINALITY AS o (outcome, target, i)
  LEFT JOIN LATERAL (
    SELECT f.id FROM ringback.transactions f WHERE f.id = o.target AND NOT f.settled AND f.ends_at > at OFFSET 0
  ) AS t ON true;
  RETURN '[' || at || ',' || (
    SELECT json_agg(json_build_array(o.outcome,
      CASE o.outcome WHEN 'stored' THEN o.target WHEN 'duplicate' THEN o.open_target END,
      CASE o.outcome WHEN 'stored' THEN o.sequence END) ORDER BY o.i)
    FROM unnest(outcomes, targets, open_targets, done.sequences) WITH ORDINALITY AS o (outcome, target, open_target, sequence, i))
    || ']';
END
$$;
