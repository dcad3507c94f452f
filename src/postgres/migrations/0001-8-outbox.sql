-- What apps call: a message that is in the mailbox if and only if the app's own transaction commits.

-- Appends to an open transaction, named by its id (`txn_…`) or else by its reference. The same key once more, with the same
-- type and data, changes nothing and answers `duplicate`. Until the app's transaction ends, others who write to that mailbox
-- wait; nobody else does. Refusals are exceptions:
--   P0002 there is no such transaction · 55000 it is settled or has expired · 23505 the key was used for something else
--   54000 the mailbox is full
-- Runs with the rights of its owner: GRANT USAGE ON SCHEMA ringback and EXECUTE on this function are all an app needs.
CREATE FUNCTION ringback.append(
  transaction text, type text, data json, key text DEFAULT NULL,
  OUT id text, OUT sequence bigint, OUT duplicate boolean
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- As the sessions of the store have it: by indexes, however small the tables were when the app's session began.
SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  at bigint := ringback.now_ms();
  wanted text := transaction;
  known_limits ringback.limits;
  -- What is between the tokens of JSON means nothing, and frames on the wire are lines.
  content text := translate(data::text, E'\n\r\t', '   ');
  stem text := 'msg_' || left(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 24);
  key_at bigint;
  done record;
BEGIN
  IF type IS NULL OR type !~ '^[A-Za-z0-9._:/-]{1,100}$' THEN
    RAISE EXCEPTION 'type: expected 1 to 100 of A-Z a-z 0-9 . _ : / -' USING ERRCODE = '22023';
  END IF;
  IF key IS NOT NULL AND (length(key) NOT BETWEEN 1 AND 200 OR key ~ '[[:cntrl:]]') THEN
    RAISE EXCEPTION 'key: expected 1 to 200 printable characters' USING ERRCODE = '22023';
  END IF;
  IF content IS NULL OR octet_length(content) > ringback.setting('message_bytes') THEN
    RAISE EXCEPTION 'data: expected JSON of % bytes at most', ringback.setting('message_bytes') USING ERRCODE = '22023';
  END IF;
  known_limits.retention_ms := ringback.setting('retention_ms');
  known_limits.messages := ringback.setting('messages');
  known_limits.bytes := ringback.setting('bytes');
  IF wanted !~ '^txn_' THEN
    SELECT t.id INTO wanted FROM ringback.transactions t
    WHERE t.reference = transaction AND t.ends_at > at - known_limits.retention_ms
    ORDER BY t.ends_at > at AND NOT t.settled DESC, t.ends_at DESC, t.tx DESC LIMIT 1;
  END IF;
  IF key ~ '^msg_[A-Za-z0-9_-]{24}[1-9a-z][0-9a-z]{0,6}$' THEN
    key_at := ringback.from_base36(substr(key, 29));
  END IF;
  done := ringback.put(at, known_limits, true, ARRAY[wanted], ARRAY[NULL::text], ARRAY[NULL::bigint], ARRAY[stem], ARRAY[key],
    ARRAY[key_at], ARRAY[type], ARRAY[content]);
  CASE done.outcomes[1]
    WHEN 'stored', 'duplicate' THEN NULL;
    WHEN 'unknown', 'busy' THEN RAISE EXCEPTION 'there is no such transaction' USING ERRCODE = 'P0002';
    WHEN 'settled', 'expired' THEN
      RAISE EXCEPTION 'the transaction is over: %', done.outcomes[1] USING ERRCODE = '55000';
    WHEN 'conflict' THEN RAISE EXCEPTION 'this key was used for another message' USING ERRCODE = '23505';
    ELSE RAISE EXCEPTION 'the mailbox is full: %', done.outcomes[1] USING ERRCODE = '54000';
  END CASE;
  SELECT m.id, m.sequence INTO id, sequence FROM ringback.messages m WHERE m.tx = done.txs[1] AND m.sequence = done.sequences[1];
  duplicate := done.outcomes[1] = 'duplicate';
  IF NOT duplicate THEN
    -- When the app commits. Who comes to read at that very moment is not told, and finds it within seconds by looking.
    PERFORM ringback.ring_nodes(ARRAY[wanted]);
  END IF;
END
$$;

CREATE FUNCTION ringback.setting(wanted text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT value FROM ringback.settings WHERE name = wanted
$$;

CREATE FUNCTION ringback.from_base36(digits text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT sum((strpos('0123456789abcdefghijklmnopqrstuvwxyz', substr(digits, i, 1)) - 1) * 36 ^ (length(digits) - i))::bigint
  FROM generate_series(1, length(digits)) AS i
$$;

-- Everything here is the owner's; the owner grants what an app is to have.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ringback FROM PUBLIC;
