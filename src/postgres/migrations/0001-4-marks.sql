-- What became of messages.

-- When something was that is so old by the clock of who tells of it; not before the message itself. Null: it was not.
CREATE FUNCTION ringback.instant(at bigint, age bigint, not_before bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN age IS NOT NULL THEN greatest(at - age, not_before) END
$$;

-- The messages that the effects of one round are on.
CREATE FUNCTION ringback.effects_on(
  txs bigint[], pass integer,
  elements integer[], rounds integer[], froms bigint[], tos bigint[], deliveries bigint[], delivered_ages bigint[],
  handled_ages bigint[], replies text[], failed_ages bigint[], errors text[], anyway_ages bigint[], anyway_replies text[]
) RETURNS TABLE (
  tx bigint, sequence bigint, stored_at bigint, deliveries bigint, delivered_age bigint,
  handled_age bigint, reply text, failed_age bigint, error text, anyway_age bigint, anyway_reply text
) LANGUAGE sql STABLE ROWS 10 AS $$
  SELECT t.tx, m.sequence, m.stored_at, e.deliveries, e.delivered_age,
    e.handled_age, e.reply, e.failed_age, e.error, e.anyway_age, e.anyway_reply
  FROM unnest(elements, rounds, froms, tos, deliveries, delivered_ages, handled_ages, replies, failed_ages, errors, anyway_ages,
    anyway_replies) AS e (element, round, first, last, deliveries, delivered_age, handled_age, reply, failed_age, error,
    anyway_age, anyway_reply)
  CROSS JOIN LATERAL (
    SELECT f.tx, f.acked_sequence FROM ringback.transactions f WHERE f.tx = txs[e.element] OFFSET 0
  ) AS t
  CROSS JOIN LATERAL (
    SELECT f.sequence, f.stored_at FROM ringback.messages f
    -- Up to the acked sequence nothing is pending.
    WHERE f.tx = t.tx AND f.sequence <= e.last AND f.sequence >=
      CASE WHEN e.deliveries = 0 AND e.anyway_age IS NULL THEN greatest(e.first, t.acked_sequence + 1) ELSE e.first END
    OFFSET 0
  ) AS m
  WHERE e.round = pass
  OFFSET 0
$$;

-- Applies effects of marks, each on a run of messages: those of one round do not overlap, and rounds come one after the other.
-- An effect is what becomes of a message that was neither handled nor failed (`handled`, `failed`), and of one that had failed
-- (`anyway`). Times are ages, so that clocks which differ change nothing.
-- [for each element: null (unknown), "busy", or [last sequence, acked sequence]]
CREATE FUNCTION ringback.mark_all(
  at bigint, known_limits ringback.limits, patient boolean,
  transaction_ids text[], last_rounds integer[],
  elements integer[], rounds integer[], froms bigint[], tos bigint[], deliveries bigint[], delivered_ages bigint[],
  handled_ages bigint[], replies text[], failed_ages bigint[], errors text[], anyway_ages bigint[], anyway_replies text[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  since bigint := at - known_limits.retention_ms;
  locked bigint[] := ringback.lock_transactions(transaction_ids, patient);
  txs bigint[];
  positions json[] := array_fill(NULL::json, ARRAY[cardinality(transaction_ids)]);
  item record;
BEGIN
  SELECT array_agg(t.tx ORDER BY w.i) INTO txs
  FROM unnest(transaction_ids) WITH ORDINALITY AS w (id, i)
  LEFT JOIN LATERAL (
    SELECT f.tx FROM ringback.transactions f WHERE f.id = w.id AND f.ends_at > since OFFSET 0
  ) AS t ON true;
  FOR item IN SELECT w.i FROM unnest(txs) WITH ORDINALITY AS w (tx, i) WHERE w.tx IS NOT NULL AND w.tx <> ALL (locked) LOOP
    positions[item.i] := '"busy"';
    txs[item.i] := NULL;
  END LOOP;
  FOR pass IN 0 .. coalesce((SELECT max(r) FROM unnest(last_rounds) AS r), -1) LOOP
    INSERT INTO ringback.receipts (tx, sequence, attempts, delivered_at, handled_at, reply, failed_at, error)
    SELECT e.tx, e.sequence, coalesce(r.attempts, 0) + e.deliveries,
      -- What is said by another node took another time to come here, and a delivery may be told of after the one that was
      -- handled is forgotten: handled before it was delivered it was not.
      coalesce(r.delivered_at, CASE WHEN e.delivered_age IS NOT NULL
        THEN least(ringback.instant(at, e.delivered_age, e.stored_at), coalesce(r.handled_at,
          ringback.instant(at, CASE WHEN r.failed_at IS NULL THEN e.handled_age ELSE e.anyway_age END, e.stored_at))) END),
      CASE
        WHEN r.handled_at IS NOT NULL THEN r.handled_at
        WHEN r.failed_at IS NOT NULL THEN ringback.instant(at, e.anyway_age, greatest(e.stored_at, r.delivered_at))
        ELSE ringback.instant(at, e.handled_age, greatest(e.stored_at, r.delivered_at)) END,
      CASE WHEN r.handled_at IS NOT NULL THEN r.reply WHEN r.failed_at IS NOT NULL THEN e.anyway_reply ELSE e.reply END,
      CASE
        WHEN r.failed_at IS NULL AND r.handled_at IS NULL THEN ringback.instant(at, e.failed_age, e.stored_at)
        WHEN e.anyway_age IS NULL THEN r.failed_at END,
      CASE
        WHEN r.failed_at IS NULL AND r.handled_at IS NULL THEN e.error
        WHEN e.anyway_age IS NULL THEN r.error END
    FROM ringback.effects_on(txs, pass, elements, rounds, froms, tos, deliveries, delivered_ages, handled_ages, replies,
      failed_ages, errors, anyway_ages, anyway_replies) AS e
    LEFT JOIN LATERAL (
      SELECT f.* FROM ringback.receipts f WHERE f.tx = e.tx AND f.sequence = e.sequence OFFSET 0
    ) AS r ON true
    WHERE CASE
      WHEN e.deliveries > 0 THEN true
      WHEN r.handled_at IS NOT NULL THEN false
      WHEN r.failed_at IS NOT NULL THEN e.anyway_age IS NOT NULL
      ELSE e.handled_age IS NOT NULL OR e.failed_age IS NOT NULL END
    ON CONFLICT (tx, sequence) DO UPDATE SET attempts = excluded.attempts, delivered_at = excluded.delivered_at,
      handled_at = excluded.handled_at, reply = excluded.reply, failed_at = excluded.failed_at, error = excluded.error;
    UPDATE ringback.transactions t SET version = t.version + 1, acked_sequence = coalesce((
        -- The end of what is done without a gap, beginning with the next one.
        SELECT s.sequence FROM ringback.receipts s
        WHERE s.tx = t.tx AND s.sequence > t.acked_sequence AND (s.handled_at IS NOT NULL OR s.failed_at IS NOT NULL)
          AND (
            SELECT n.handled_at IS NOT NULL OR n.failed_at IS NOT NULL FROM ringback.receipts n
            WHERE n.tx = t.tx AND n.sequence = s.sequence + 1) IS NOT TRUE
          AND (
            SELECT f.handled_at IS NOT NULL OR f.failed_at IS NOT NULL FROM ringback.receipts f
            WHERE f.tx = t.tx AND f.sequence = t.acked_sequence + 1)
        ORDER BY s.sequence LIMIT 1), t.acked_sequence)
    WHERE t.tx = ANY (ARRAY (SELECT txs[e.element] FROM unnest(elements, rounds) AS e (element, round) WHERE e.round = pass));
    FOR item IN
      SELECT w.i, t.last_sequence, t.acked_sequence FROM unnest(txs, last_rounds) WITH ORDINALITY AS w (tx, last_round, i)
      CROSS JOIN LATERAL (SELECT f.* FROM ringback.transactions f WHERE f.tx = w.tx OFFSET 0) AS t
      WHERE w.last_round = pass
    LOOP
      positions[item.i] := json_build_array(item.last_sequence, item.acked_sequence);
    END LOOP;
  END LOOP;
  RETURN array_to_json(positions);
END
$$;
