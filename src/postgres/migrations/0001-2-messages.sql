-- How messages are written. Each function here and in the files after this one takes what many callers wait for, as columns,
-- and is one commit.
--
-- Locks are taken in one order, by all: events by hash, references, the lock of the count of open transactions, transactions by
-- key, then what belongs to them, connections before tickets; last the shards of counts, parked before open. Whoever writes
-- messages does not wait for a transaction that is locked, say by an app that has not committed: that one alone is answered as
-- busy, and asked for again by itself (`patient`): then it waits for the transaction first, and has no lock meanwhile that others
-- wait for.
--
-- Plans are kept, and those that were made while a table was empty must not read all of it when it is full. So a table is
-- never joined, where the planner might begin with it: its rows are looked up one by one (LATERAL … OFFSET 0) or are
-- `= ANY` of a list; and what is sorted is sorted by an expression, unless an index is meant to sort it.

CREATE FUNCTION ringback.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- The lock of a reference: who opens a transaction with it, or parks for it, has it until the commit.
CREATE FUNCTION ringback.reference_lock(reference text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT hashtextextended('ringback.reference:' || reference, 0)
$$;

-- The answers of a batch that was committed before; null: it was not, and now nobody else will. A lane has one batch at a
-- time, so that a higher number means that this is a ghost, which came late and which nobody waits for.
CREATE FUNCTION ringback.answered(wanted_lane bigint, wanted_batch bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  found text;
BEGIN
  PERFORM pg_advisory_xact_lock(wanted_lane);
  SELECT answers INTO found FROM ringback.lanes WHERE lane = wanted_lane AND batch >= wanted_batch;
  RETURN found;
END
$$;

CREATE FUNCTION ringback.answer(of_lane bigint, of_batch bigint, given text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ringback.lanes AS l (lane, batch, answered_at, answers) VALUES (of_lane, of_batch, ringback.now_ms(), given)
  ON CONFLICT (lane) DO UPDATE SET batch = excluded.batch, answered_at = excluded.answered_at, answers = excluded.answers;
  RETURN given;
END
$$;

CREATE FUNCTION ringback.base36(number bigint) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  digits text := '';
  rest bigint := number;
BEGIN
  LOOP
    digits := substr('0123456789abcdefghijklmnopqrstuvwxyz', (rest % 36)::integer + 1, 1) || digits;
    rest := rest / 36;
    EXIT WHEN rest = 0;
  END LOOP;
  RETURN digits;
END
$$;

-- Locks those that are there, in order, and returns their keys; without those that somebody else has unless told to wait.
CREATE FUNCTION ringback.lock_transactions(ids text[], patient boolean) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
  IF patient THEN
    RETURN ARRAY (SELECT t.tx FROM ringback.transactions t WHERE t.id = ANY (ids) ORDER BY t.tx + 0 FOR NO KEY UPDATE);
  END IF;
  RETURN ARRAY (SELECT t.tx FROM ringback.transactions t WHERE t.id = ANY (ids) ORDER BY t.tx + 0 FOR NO KEY UPDATE SKIP LOCKED);
END
$$;

-- Adds messages. No two of one transaction may share a name. For each: 'stored', 'duplicate' (both with its sequence),
-- 'conflict', 'unknown', 'settled', 'expired', the limit that is reached, or 'busy'.
-- `ids` are given, or null: then a message is named by its stem and its sequence. `id_at` and `key_at` are the sequences
-- that these names would have if they had been made here.
CREATE FUNCTION ringback.put(
  at bigint, known_limits ringback.limits, patient boolean,
  transaction_ids text[], ids text[], id_at bigint[], stems text[], keys text[], key_at bigint[], types text[], datas text[],
  OUT outcomes text[], OUT sequences bigint[], OUT txs bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
  since bigint := at - known_limits.retention_ms;
  locked bigint[] := ringback.lock_transactions(transaction_ids, patient);
  item record;
  tx bigint := 0;
  last bigint;
  bytes bigint;
  size bigint;
  same boolean;
  changed bigint[] := '{}';
  lasts bigint[] := '{}';
  totals bigint[] := '{}';
BEGIN
  outcomes := array_fill('unknown'::text, ARRAY[cardinality(transaction_ids)]);
  sequences := array_fill(0::bigint, ARRAY[cardinality(transaction_ids)]);
  txs := sequences;
  FOR item IN
    SELECT w.i, w.type, w.data, t.tx, t.ends_at, t.settled, t.last_sequence, t.mailbox_bytes,
      t.tx = ANY (locked) AS is_locked,
      coalesce(
        (SELECT n.sequence FROM ringback.names n WHERE n.tx = t.tx AND n.name = w.key),
        (SELECT m.sequence FROM ringback.messages m WHERE m.tx = t.tx AND m.sequence = w.key_at AND m.id = w.key),
        (SELECT n.sequence FROM ringback.names n WHERE n.tx = t.tx AND n.name = w.id),
        (SELECT m.sequence FROM ringback.messages m WHERE m.tx = t.tx AND m.sequence = w.id_at AND m.id = w.id)) AS named
    FROM unnest(transaction_ids, ids, id_at, keys, key_at, types, datas)
      WITH ORDINALITY AS w (transaction_id, id, id_at, key, key_at, type, data, i)
    CROSS JOIN LATERAL (SELECT f.* FROM ringback.transactions f WHERE f.id = w.transaction_id OFFSET 0) AS t
    WHERE t.ends_at > since
    ORDER BY t.tx, w.i
  LOOP
    txs[item.i] := item.tx;
    IF NOT item.is_locked THEN
      outcomes[item.i] := 'busy';
      CONTINUE;
    END IF;
    IF item.tx <> tx THEN
      tx := item.tx;
      last := item.last_sequence;
      bytes := item.mailbox_bytes;
      changed := changed || tx;
      lasts := lasts || last;
      totals := totals || bytes;
    END IF;
    IF item.named IS NOT NULL THEN
      SELECT m.type = item.type AND m.data = item.data INTO same
      FROM ringback.messages m WHERE m.tx = item.tx AND m.sequence = item.named;
      outcomes[item.i] := CASE WHEN same THEN 'duplicate' ELSE 'conflict' END;
      sequences[item.i] := item.named;
      CONTINUE;
    END IF;
    size := octet_length(item.data);
    outcomes[item.i] := CASE
      WHEN item.settled THEN 'settled'
      WHEN item.ends_at <= at THEN 'expired'
      WHEN last >= known_limits.messages THEN 'messagesPerTransaction'
      WHEN bytes + size > known_limits.bytes THEN 'mailboxBytes'
      ELSE 'stored' END;
    CONTINUE WHEN outcomes[item.i] <> 'stored';
    last := last + 1;
    bytes := bytes + size;
    sequences[item.i] := last;
    lasts[cardinality(lasts)] := last;
    totals[cardinality(totals)] := bytes;
  END LOOP;

  INSERT INTO ringback.messages (tx, sequence, stored_at, id, type, data)
  SELECT w.tx, w.sequence, at, coalesce(w.id, w.stem || ringback.base36(w.sequence)), w.type, w.data
  FROM unnest(outcomes, txs, sequences, ids, stems, types, datas) AS w (outcome, tx, sequence, id, stem, type, data)
  WHERE w.outcome = 'stored';
  INSERT INTO ringback.names (tx, name, sequence)
  SELECT w.tx, name.name, w.sequence
  FROM unnest(outcomes, txs, sequences, ids, keys) AS w (outcome, tx, sequence, id, key),
    LATERAL (SELECT w.id UNION SELECT w.key) AS name (name)
  WHERE w.outcome = 'stored' AND name.name IS NOT NULL;
  UPDATE ringback.transactions t SET version = version + 1,
    last_sequence = lasts[array_position(changed, t.tx)], mailbox_bytes = totals[array_position(changed, t.tx)]
  WHERE t.tx = ANY (changed) AND t.last_sequence <> lasts[array_position(changed, t.tx)];
END
$$;

-- [at, [for each: its sequence, the first message of its name, or why not]]
CREATE FUNCTION ringback.append_all(
  at bigint, known_limits ringback.limits, patient boolean,
  transaction_ids text[], ids text[], id_at bigint[], stems text[], keys text[], key_at bigint[], types text[], datas text[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  done record;
BEGIN
  done := ringback.put(at, known_limits, patient, transaction_ids, ids, id_at, stems, keys, key_at, types, datas);
  RETURN '[' || at || ',' || (
    SELECT json_agg(
      CASE d.outcome
        WHEN 'stored' THEN to_json(d.sequence)
        WHEN 'duplicate' THEN (
          SELECT json_build_object('id', m.id, 'sequence', m.sequence, 'storedAt', m.stored_at, 'type', m.type, 'data', m.data)
          FROM ringback.messages m WHERE m.tx = d.tx AND m.sequence = d.sequence)
        ELSE to_json(d.outcome)
      END ORDER BY d.i)
    FROM unnest(done.outcomes, done.sequences, done.txs) WITH ORDINALITY AS d (outcome, sequence, tx, i)) || ']';
END
$$;
