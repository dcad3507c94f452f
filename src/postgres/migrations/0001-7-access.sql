-- Who may reach a transaction, and who does: tokens, callbacks, tickets, connections.

-- Secrets. [whether the transaction was there, or "in_use"]
CREATE FUNCTION ringback.grant_one(
  at bigint, known_limits ringback.limits, patient boolean, kind text, wanted text, with_id text, with_hash text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  of_tx bigint;
BEGIN
  SELECT t.tx INTO of_tx FROM ringback.transactions t
  WHERE t.id = wanted AND t.ends_at > at - known_limits.retention_ms FOR KEY SHARE;
  IF of_tx IS NULL THEN
    RETURN 'false';
  END IF;
  IF kind = 'token' THEN
    INSERT INTO ringback.tokens (hash, tx, id) VALUES (with_hash, of_tx, with_id) ON CONFLICT DO NOTHING;
    PERFORM FROM ringback.tokens k WHERE k.hash = with_hash AND k.tx = of_tx AND k.id = with_id;
  ELSE
    INSERT INTO ringback.callbacks (hash, tx, id) VALUES (with_hash, of_tx, with_id) ON CONFLICT DO NOTHING;
    PERFORM FROM ringback.callbacks k WHERE k.hash = with_hash AND k.tx = of_tx AND k.id = with_id;
  END IF;
  RETURN CASE WHEN FOUND THEN 'true' ELSE '"in_use"' END;
END
$$;

-- Whether there was one. Good for nothing from the commit on, whoever is at the transaction: without a lock of it. That of the
-- token keeps those away who add a ticket.
CREATE FUNCTION ringback.revoke_one(
  at bigint, known_limits ringback.limits, patient boolean, kind text, wanted text, with_id text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  of_tx bigint;
BEGIN
  SELECT t.tx INTO of_tx FROM ringback.transactions t
  WHERE t.id = wanted AND t.ends_at > at - known_limits.retention_ms;
  IF of_tx IS NULL THEN
    RETURN 'false';
  END IF;
  IF kind = 'callback' THEN
    DELETE FROM ringback.callbacks k WHERE k.tx = of_tx AND k.id = with_id;
    RETURN to_json(FOUND);
  END IF;
  DELETE FROM ringback.tokens k WHERE k.tx = of_tx AND k.id = with_id;
  IF NOT FOUND THEN
    RETURN 'false';
  END IF;
  -- A later statement: it sees the tickets of those who held on to the token until now.
  DELETE FROM ringback.tickets k WHERE k.tx = of_tx AND k.token_id = with_id;
  RETURN 'true';
END
$$;

-- [for each: true, false (the transaction or its token is gone), or "in_use"]
CREATE FUNCTION ringback.add_tickets(
  at bigint, known_limits ringback.limits, patient boolean,
  hashes text[], transaction_ids text[], token_ids text[], ttls bigint[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  of_tx bigint;
  owner bigint;
  answers json[] := '{}';
BEGIN
  PERFORM FROM ringback.transactions t WHERE t.id = ANY (transaction_ids) ORDER BY t.tx + 0 FOR KEY SHARE;
  FOR i IN 1 .. cardinality(hashes) LOOP
    SELECT t.tx INTO of_tx FROM ringback.transactions t
    WHERE t.id = transaction_ids[i] AND t.ends_at > at - known_limits.retention_ms;
    IF of_tx IS NOT NULL AND token_ids[i] IS NOT NULL THEN
      SELECT k.tx INTO of_tx FROM ringback.tokens k WHERE k.tx = of_tx AND k.id = token_ids[i] FOR KEY SHARE;
    END IF;
    IF of_tx IS NULL THEN
      answers := answers || 'false'::json;
      CONTINUE;
    END IF;
    INSERT INTO ringback.tickets (hash, tx, token_id, expires_at) VALUES (hashes[i], of_tx, token_ids[i], at + ttls[i])
    ON CONFLICT (hash) DO NOTHING;
    SELECT k.tx INTO owner FROM ringback.tickets k WHERE k.hash = hashes[i];
    answers := answers || CASE WHEN owner = of_tx THEN 'true'::json ELSE '"in_use"'::json END;
  END LOOP;
  RETURN array_to_json(answers);
END
$$;

-- [for each: whether it is bound to this connection at this node now]. A connection has one ticket, wherever it is: of two nodes
-- that bind two at the same instant one meets the other in the index, and tries again.
CREATE FUNCTION ringback.bind_tickets(
  at bigint, known_limits ringback.limits, patient boolean, hashes text[], connection_ids text[], on_nodes text[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answers boolean[] := '{}';
BEGIN
  PERFORM FROM ringback.tickets k WHERE k.hash = ANY (hashes) ORDER BY k.hash || '' FOR NO KEY UPDATE;
  FOR i IN 1 .. cardinality(hashes) LOOP
    UPDATE ringback.tickets k SET connection_id = connection_ids[i], node = on_nodes[i]
    WHERE k.hash = hashes[i]
      AND (SELECT t.ends_at FROM ringback.transactions t WHERE t.tx = k.tx) > at - known_limits.retention_ms
      AND ((k.connection_id = connection_ids[i] AND k.node = on_nodes[i]) OR (k.connection_id IS NULL AND k.expires_at > at
          AND NOT EXISTS (SELECT FROM ringback.tickets o WHERE o.connection_id = connection_ids[i])));
    answers := answers || FOUND;
  END LOOP;
  RETURN array_to_json(answers);
END
$$;

-- Removes only what is at this node: by then the connection may be at another one, with another ticket.
CREATE FUNCTION ringback.save_connections(
  at bigint, known_limits ringback.limits, patient boolean,
  ids text[], transaction_ids text[], on_nodes text[], transports text[], ages bigint[], removed text[],
  at_node text
) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM ringback.transactions t WHERE t.id = ANY (transaction_ids) ORDER BY t.tx + 0 FOR KEY SHARE;
  INSERT INTO ringback.connections AS c (id, tx, node, transport, since)
  SELECT w.id, t.tx, w.node, w.transport, at - w.age
  FROM unnest(ids, transaction_ids, on_nodes, transports, ages) AS w (id, transaction_id, node, transport, age)
  CROSS JOIN LATERAL (
    SELECT f.tx FROM ringback.transactions f
    WHERE f.id = w.transaction_id AND f.ends_at > at - known_limits.retention_ms OFFSET 0
  ) AS t
  ORDER BY w.id
  ON CONFLICT (id) DO UPDATE SET tx = excluded.tx, node = excluded.node, transport = excluded.transport, since = excluded.since;
  DELETE FROM ringback.connections c WHERE c.id = ANY (removed) AND (at_node IS NULL OR c.node = at_node);
  DELETE FROM ringback.tickets k WHERE k.connection_id = ANY (removed) AND (at_node IS NULL OR k.node = at_node);
  RETURN 'true';
END
$$;

-- Nothing; that it is committed shows that the database can be written.
CREATE FUNCTION ringback.touch(at bigint, known_limits ringback.limits, patient boolean) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT 'true'
$$;
