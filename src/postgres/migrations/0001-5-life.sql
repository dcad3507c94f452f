-- How transactions begin and are settled, and how many of them are open.

-- The lock of the count of open transactions: shared by who changes it, alone for who counts exactly.
CREATE FUNCTION ringback.open_lock() RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT hashtextextended('ringback.open', 0)
$$;

-- How many may still be opened, at least: exactly near the limit, where one comes after the other.
CREATE FUNCTION ringback.room_to_open(at bigint, most bigint, wanted bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  IF ringback.counted('open') + wanted + 10000 <= most THEN
    PERFORM pg_advisory_xact_lock_shared(ringback.open_lock());
    RETURN wanted;
  END IF;
  PERFORM pg_advisory_xact_lock(ringback.open_lock());
  PERFORM ringback.count_expired(at);
  RETURN most - ringback.counted('open');
END
$$;

-- Takes what has expired since the last time off the count. The caller has the lock of the count alone.
CREATE FUNCTION ringback.count_expired(at bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  since bigint := ringback.counted('open_since');
BEGIN
  IF since >= at THEN
    RETURN;
  END IF;
  PERFORM ringback.count_more('open', -(
    SELECT count(*) FROM ringback.transactions t WHERE t.ends_at + 0 > since AND t.ends_at + 0 <= at AND NOT t.settled));
  UPDATE ringback.counts SET value = at WHERE name = 'open_since' AND shard = 0;
END
$$;

-- The same in passing, unless somebody is at the count.
CREATE FUNCTION ringback.tally(at bigint, known_limits ringback.limits, patient boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF pg_try_advisory_xact_lock(ringback.open_lock()) THEN
    PERFORM ringback.count_expired(at);
  END IF;
  RETURN 'true';
END
$$;

-- Gives a new transaction what waits for it, and returns how many these are. The caller has the lock of the reference, and counts.
CREATE FUNCTION ringback.attach(at bigint, park_ms bigint, to_tx bigint, of_reference text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  moved bigint;
BEGIN
  WITH waiting AS (
    DELETE FROM ringback.parked p WHERE p.reference = of_reference AND p.parked_at > at - park_ms
    RETURNING p.parked, p.id, p.type, p.data, p.parked_at, p.bytes
  ), placed AS (
    SELECT row_number() OVER (ORDER BY w.parked) AS sequence, w.* FROM waiting w
  ), written AS (
    INSERT INTO ringback.messages (tx, sequence, stored_at, id, type, data)
    SELECT to_tx, p.sequence, p.parked_at, p.id, p.type, p.data FROM placed p
  ), named AS (
    INSERT INTO ringback.names (tx, name, sequence) SELECT to_tx, p.id, p.sequence FROM placed p
  ), counted AS (
    SELECT count(*) AS messages, sum(p.bytes) AS bytes FROM placed p
  ), kept AS (
    UPDATE ringback.transactions t SET last_sequence = c.messages, mailbox_bytes = c.bytes
    FROM counted c WHERE t.tx = to_tx AND c.messages > 0
  ) SELECT c.messages INTO moved FROM counted c;
  RETURN moved;
END
$$;

-- Opens transactions in order. [for each: [created at, expires at], 'reference_taken', 'full' or 'in_use']
CREATE FUNCTION ringback.open_all(
  at bigint, known_limits ringback.limits, patient boolean,
  ids text[], ttls bigint[], token_ids text[], token_hashes text[], callback_ids text[], callback_hashes text[],
  with_references text[], metadatas text[], origins text[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  size integer := cardinality(ids);
  since bigint := at - known_limits.retention_ms;
  counted_since bigint;
  room bigint;
  opened bigint := 0;
  claimed bigint := 0;
  present record;
  new_tx bigint;
  answers json[] := '{}';
BEGIN
  PERFORM pg_advisory_xact_lock(k) FROM (
    SELECT DISTINCT ringback.reference_lock(r) AS k FROM unnest(with_references) AS r WHERE r IS NOT NULL ORDER BY k) AS locks;
  room := ringback.room_to_open(at, known_limits.open, size);
  counted_since := ringback.counted('open_since');
  FOR i IN 1 .. size LOOP
    SELECT t.tx, t.created_at, t.expires_at, t.ends_at INTO present FROM ringback.transactions t WHERE t.id = ids[i];
    IF present.ends_at > since THEN
      -- The answer to this very call was lost and it is repeated; with other secrets it is another's id.
      answers := answers || CASE
        WHEN EXISTS (
          SELECT FROM ringback.tokens k WHERE k.tx = present.tx AND k.id = token_ids[i] AND k.hash = token_hashes[i])
        THEN json_build_array(present.created_at, present.expires_at)
        ELSE '"in_use"'::json END;
      CONTINUE;
    END IF;
    IF with_references[i] IS NOT NULL AND EXISTS (
      SELECT FROM ringback.transactions t WHERE t.reference = with_references[i] AND t.ends_at > at AND NOT t.settled)
    THEN
      answers := answers || '"reference_taken"'::json;
      CONTINUE;
    END IF;
    IF room <= opened THEN
      answers := answers || '"full"'::json;
      CONTINUE;
    END IF;
    IF EXISTS (SELECT FROM ringback.tokens k WHERE k.hash = token_hashes[i] AND k.tx IS DISTINCT FROM present.tx)
      OR EXISTS (SELECT FROM ringback.callbacks k WHERE k.hash = callback_hashes[i] AND k.tx IS DISTINCT FROM present.tx)
    THEN
      answers := answers || '"in_use"'::json;
      CONTINUE;
    END IF;
    -- A forgotten one that is still there.
    WHILE present.tx IS NOT NULL LOOP
      PERFORM FROM ringback.transactions t WHERE t.tx = present.tx FOR UPDATE;
      EXIT WHEN ringback.remove_some(present.tx, 10000) < 10000;
    END LOOP;
    -- Its version begins anywhere, so that it is another one than one of this id had before.
    INSERT INTO ringback.transactions AS t (id, reference, created_at, expires_at, ends_at, version)
    VALUES (ids[i], with_references[i], at, at + ttls[i], at + ttls[i], floor(random() * 2 ^ 50)::bigint) RETURNING t.tx INTO new_tx;
    INSERT INTO ringback.tokens (hash, tx, id) VALUES (token_hashes[i], new_tx, token_ids[i]);
    IF callback_ids[i] IS NOT NULL THEN
      INSERT INTO ringback.callbacks (hash, tx, id) VALUES (callback_hashes[i], new_tx, callback_ids[i]);
    END IF;
    IF metadatas[i] IS NOT NULL OR origins[i] IS NOT NULL THEN
      INSERT INTO ringback.details (tx, anonymous_origin, metadata) VALUES (new_tx, origins[i], metadatas[i]);
    END IF;
    IF with_references[i] IS NOT NULL THEN
      claimed := claimed + ringback.attach(at, known_limits.park_ms, new_tx, with_references[i]);
    END IF;
    IF at + ttls[i] > counted_since THEN
      opened := opened + 1;
    ELSE
      room := room - 1;
    END IF;
    answers := answers || json_build_array(at, at + ttls[i]);
  END LOOP;
  PERFORM ringback.count_more('parked', -claimed);
  PERFORM ringback.count_more('open', opened);
  RETURN array_to_json(answers);
END
$$;

-- The lock of the count, shared, and those of transactions. Who waits for somebody at work on one does not have the lock of the
-- count meanwhile: all who open would wait along.
CREATE FUNCTION ringback.lock_counted(ids text[], patient boolean) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  locked bigint[];
BEGIN
  IF patient THEN
    locked := ringback.lock_transactions(ids, true);
  END IF;
  PERFORM pg_advisory_xact_lock_shared(ringback.open_lock());
  RETURN coalesce(locked, ringback.lock_transactions(ids, false));
END
$$;

-- [for each: null (unknown), "busy", or the state after it]
CREATE FUNCTION ringback.settle_all(at bigint, known_limits ringback.limits, patient boolean, ids text[])
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  since bigint := at - known_limits.retention_ms;
  locked bigint[] := ringback.lock_counted(ids, patient);
  found_row record;
  answers json[] := '{}';
BEGIN
  FOR i IN 1 .. cardinality(ids) LOOP
    SELECT t.tx, t.ends_at, t.settled INTO found_row FROM ringback.transactions t WHERE t.id = ids[i] AND t.ends_at > since;
    IF found_row.tx IS NULL THEN
      answers := answers || NULL::json;
    ELSIF found_row.tx <> ALL (locked) THEN
      answers := answers || '"busy"'::json;
    ELSIF found_row.settled OR found_row.ends_at > at THEN
      IF NOT found_row.settled THEN
        IF found_row.ends_at > ringback.counted('open_since') THEN
          PERFORM ringback.count_more('open', -1);
        END IF;
        UPDATE ringback.transactions t SET ends_at = at, settled = true, version = version + 1 WHERE t.tx = found_row.tx;
      END IF;
      answers := answers || '"settled"'::json;
    ELSE
      answers := answers || '"expired"'::json;
    END IF;
  END LOOP;
  RETURN array_to_json(answers);
END
$$;
