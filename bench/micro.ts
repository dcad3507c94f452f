/**
 * `--micro`: the functions that each message goes through, one by one. For comparing two versions of one; a message costs more
 * than their sum.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bench, do_not_optimize as keep, run } from 'mitata';
import { parseJsonBytes } from '../src/json/json-text.ts';
import { ApiKeys } from '../src/server/api-keys.ts';
import { sendBody } from '../src/server/http/schemas.ts';
import { messageJson } from '../src/server/wire.ts';
import { FrameReader } from '../src/signalr/protocol/framing.ts';
import { jsonProtocol } from '../src/signalr/protocol/json.ts';
import { MessageType } from '../src/signalr/protocol/messages.ts';
import { RawJson } from '../src/signalr/protocol/raw-json.ts';
import type { SqliteStore } from '../src/store/sqlite/sqlite.ts';
import { hashSecret, newId, newSecret } from '../src/transactions/secrets.ts';
import { makeBody } from './generator/body.ts';
import { openScaleStore } from './scale-file.ts';

const ACK = Buffer.from('{"type":1,"target":"ack","arguments":[4711]}\u001e');
const LARGEST_FRAME = 32_768;
const DEEPEST = 64;
/** What gathers in one commit at full load. */
const BATCH = 64;

/** Prints its table on stdout. */
export async function micro(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ringback-micro-'));
  try {
    await using store = await openScaleStore(join(folder, 'ringback.db'));
    addIncoming();
    addOutgoing();
    await addStore(store);
    await run({ colors: process.stdout.isTTY });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** From the POST's bytes to the call of the API. */
function addIncoming(): void {
  const body = makeBody();
  const value: unknown = JSON.parse(body.toString());
  const key = newSecret('api-key');
  const keys = new ApiKeys([key]);
  const token = newSecret('access-token');
  bench('API key: is it one of ours', () => keep(keys.includes(key)));
  bench('access token: its hash', () => keep(hashSecret(token)));
  bench('body: parse 300 bytes', () => keep(parseJsonBytes(body, DEEPEST).value));
  bench('body: parse, and cut out `data`', () => keep(parseJsonBytes(body, DEEPEST).member('data')));
  bench('body: the schema of a message', () => keep(sendBody.safeParse(value).success));
  bench('a new message id', () => keep(newId('msg')));
}

/** From the committed message to its frame, and the ack back. */
function addOutgoing(): void {
  const data = parseJsonBytes(makeBody(), DEEPEST).member('data') ?? 'null';
  const message = { transactionId: newId('txn'), id: newId('msg'), sequence: 4711, type: 'note', data, storedAt: Date.now() };
  const json = messageJson(message);
  const reader = new FrameReader();
  bench('message: its text', () => keep(messageJson(message)));
  bench('message: the invocation', () =>
    keep(jsonProtocol.encode({ type: MessageType.invocation, target: 'message', arguments: [new RawJson(json)] })));
  bench('ack: its frame', () => {
    reader.append(ACK);
    keep(reader.next(jsonProtocol.findFrame, LARGEST_FRAME));
  });
  bench('ack: parse', () => keep(jsonProtocol.parse(ACK)));
}

/** Through the worker and the disk. */
async function addStore(store: SqliteStore): Promise<void> {
  const data = makeBody().toString();
  const ids = Array.from({ length: BATCH }, () => newId('txn'));
  for (const id of ids) await store.open({ id, ttlMs: 3_600_000, token: { id: newId('tok'), hash: hashSecret(id) } });
  bench(`store: a commit of ${BATCH} messages`, async () => {
    await Promise.all(ids.map((transactionId) => store.append({ transactionId, type: 'note', data })));
  });
  bench('store: a commit of one message', () => store.append({ transactionId: ids[0] ?? '', type: 'note', data }));
}
