/** Ten thousand requests and frames that are almost good: clear refusals or closes, nothing lost, nothing kept. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { errorKinds } from '../../src/errors.ts';
import type { WireOpened } from '../../src/server/wire.ts';
import { API_KEY } from '../fixtures/back-end.ts';
import { Page } from '../fixtures/page.ts';
import { ServerProcess, temporaryFolder } from '../fixtures/server.ts';
import { Hub } from '../http/hub-requests.ts';
import { converse, exchange, headerOf, type HeaderLine, member, parsed, type WireAnswer } from '../http/wire-client.ts';
import { headersFor, webhooks } from '../webhooks/delivery.ts';
import { Chance, mutated } from './mutation.ts';

const REQUESTS = 6_000;
const FRAMES = 4_000;
const WARM_UP = 1_500;
const FRAMES_PER_CONNECTION = 25;
const CONCURRENCY = 16;
const MESSAGES = 100;
/** Another run: set FUZZ_SEED. */
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_301_123);

/** On SIGUSR2: collects garbage and says on stderr how much is in use. */
const HEAP_PROBE = `data:text/javascript,process.on('SIGUSR2',()=>{gc();gc();process.stderr.write('heap '+process.memoryUsage().heapUsed+'\\n')})`;

async function heapOf({ child }: ServerProcess): Promise<number> {
  assert.ok(child.stderr !== null);
  child.kill('SIGUSR2');
  for (;;) {
    const [chunk]: unknown[] = await once(child.stderr, 'data');
    const bytes = /^heap (\d+)$/m.exec(String(chunk))?.[1];
    if (bytes !== undefined) return Number(bytes);
  }
}

interface GoodRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly HeaderLine[];
  readonly body?: string;
}

/** @param spare a transaction that may be lost: cut short, a request to delete a token deletes a transaction */
function goodRequests({ id, accessToken, callbackUrl = '' }: WireOpened, spare: WireOpened): GoodRequest[] {
  const key: HeaderLine = ['Authorization', `Bearer ${API_KEY}`];
  const own: HeaderLine = ['Authorization', `Bearer ${accessToken}`];
  const json: HeaderLine = ['Content-Type', 'application/json'];
  const path = `/v1/transactions/${id}`;
  const webhook = '{"type":"paid","data":{"reference":"txn_none","a":[1,{"b":null}]}}';
  return [
    {
      method: 'POST',
      path: '/v1/transactions',
      headers: [key, json],
      body: '{"ttlSeconds":0,"reference":"r","metadata":{"a":[1,2,{"b":null}]}}',
    },
    {
      method: 'POST',
      path: `${path}/messages`,
      headers: [key, json, ['Idempotency-Key', 'k']],
      body: '{"type":"paid now","data":{"a":[1,2,3]},"id":"k"}',
    },
    {
      method: 'POST',
      path: `${path}/messages?x=1`,
      headers: [key, json, ['Prefer', 'wait=0']],
      body: '{"type":"paid","data":null}',
    },
    {
      method: 'POST',
      path: '/v1/messages:batch',
      headers: [key, json],
      body: `{"messages":[{"transaction":"${id}","type":"paid","data":[{"data":1}]},{"transaction":"none","type":"a b","data":0,"id":"k"}]}`,
    },
    { method: 'GET', path: `${path}/messages?after=0&limit=10`, headers: [own] },
    { method: 'GET', path: `${path}/messages/none`, headers: [key] },
    { method: 'POST', path: `${path}/acks`, headers: [own, json], body: '{"sequence":100000,"reply":{"ok":true}}' },
    { method: 'GET', path, headers: [key] },
    { method: 'GET', path: '/v1/transactions?reference=nobody', headers: [key] },
    { method: 'DELETE', path: `/v1/transactions/${spare.id}/tokens/tok_none`, headers: [key] },
    { method: 'DELETE', path: `/v1/transactions/${spare.id}/callbacks/cbk_none`, headers: [key] },
    { method: 'POST', path: new URL(callbackUrl).pathname, headers: [json], body: '["not an object"]' },
    { method: 'POST', path: '/webhooks/acme', headers: [json, ...Object.entries(headersFor(webhook))], body: webhook },
    { method: 'POST', path: '/hub/negotiate?negotiateVersion=1', headers: [['Authorization', 'Bearer rbat_bad']], body: '' },
    { method: 'GET', path: '/hub?id=none', headers: [own] },
    { method: 'POST', path: '/hub?id=none', headers: [own], body: '{"protocol":"json","version":1}\u001e' },
    { method: 'GET', path: '/health/live', headers: [] },
  ];
}

/** Path, headers or body changed; the framing is right, so that it is answered for what it says. */
async function askMutated(url: string, chance: Chance, good: GoodRequest): Promise<WireAnswer> {
  const where = chance.below(good.body === undefined ? 2 : 4);
  const path = where === 0 ? mutated(chance, good.path).replaceAll(/[^!-~\u0080-\uffff]/g, '') || '/' : good.path;
  const headers = where === 1 ? good.headers.map(([name, value]): HeaderLine => [name, mutated(chance, value)]) : good.headers;
  const body = where >= 2 && good.body !== undefined ? mutated(chance, good.body) : good.body;
  return exchange(url, {
    method: good.method,
    path: Buffer.from(path).toString('latin1'),
    headers,
    ...(body !== undefined && { body }),
  });
}

/** Any byte changed, and the connection given up after it. */
async function askTorn(
  url: string,
  chance: Chance,
  { method, path, headers, body = '' }: GoodRequest,
): Promise<WireAnswer | undefined> {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: a',
    ...headers.map((line) => line.join(': ')),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  const text = await converse(url, (socket) => socket.end(mutated(chance, `${lines.join('\r\n')}\r\n\r\n${body}`)));
  return text === '' ? undefined : parsed(text);
}

function assertClear(answer: WireAnswer | undefined, good: GoodRequest): void {
  if (answer === undefined) return;
  assert.ok(
    answer.status < 500,
    `${good.method} ${good.path} became something that is answered ${answer.status}: ${answer.text}`,
  );
  if (answer.status < 400 || headerOf(answer, 'content-type') !== 'application/problem+json') return;
  const code = member(answer.body, 'code');
  const kind = Object.entries(errorKinds).find(([name]) => name === code)?.[1];
  assert.equal(kind?.status, answer.status, answer.text);
  assert.ok(!answer.text.includes(API_KEY) && !/rb(at|cb|tk)_\w{20}/.test(answer.text), answer.text);
}

interface Target {
  readonly server: ServerProcess;
  readonly opened: WireOpened;
  readonly spare: WireOpened;
  /** Gives each case a chance of its own, so that cases are the same whatever their order. */
  readonly master: Chance;
  /** By status, 0 for a connection that was closed without an answer. */
  readonly answers: Map<number, number>;
}

async function fuzzRequests(target: Target, count: number, onProgress: (done: number) => Promise<void>): Promise<void> {
  const { server, opened, master, answers } = target;
  const good = goodRequests(opened, target.spare);
  let done = 0;
  const work = async (): Promise<void> => {
    while (done < count) {
      const now = done++;
      const chance = new Chance(master.below(2 ** 32));
      const request = chance.pick(good);
      const answer = await (chance.isOneIn(5) ? askTorn(server.url, chance, request) : askMutated(server.url, chance, request));
      assertClear(answer, request);
      const status = answer?.status ?? 0;
      answers.set(status, (answers.get(status) ?? 0) + 1);
      await onProgress(now);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
}

const HANDSHAKE = '{"protocol":"json","version":1}\u001e';
const goodFrames = [
  '{"type":1,"target":"ack","arguments":[1]}\u001e',
  '{"type":1,"invocationId":"1","target":"ack","arguments":[1,{"ok":true}]}\u001e',
  '{"type":1,"invocationId":"2","target":"nack","arguments":[1,"no"]}\u001e',
  '{"type":1,"invocationId":"3","target":"nobody","arguments":[]}\u001e',
  '{"type":2,"invocationId":"4","item":1}\u001e',
  '{"type":3,"invocationId":"5","result":1}\u001e',
  '{"type":4,"invocationId":"6","target":"ack","arguments":[]}\u001e',
  '{"type":5,"invocationId":"7"}\u001e',
  '{"type":6}\u001e',
  '{"type":6}\u001e{"type":6}\u001e',
  '{"type":7,"error":"e"}\u001e',
  '{"type":8,"sequenceId":1}\u001e',
] as const;

/** One connection that says something almost good, until it has said its share or is closed. Returns how many frames went. */
async function fuzzWebSocket({ server, opened }: Target, chance: Chance): Promise<number> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/hub`, {
    headers: { authorization: `Bearer ${opened.accessToken}` },
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  await once(socket, 'open');
  let sent = 0;
  const say = (frame: string): void => {
    if (socket.readyState !== WebSocket.OPEN) return;
    sent++;
    socket.send(chance.isOneIn(10) ? Buffer.from(frame, 'latin1') : frame, { binary: chance.isOneIn(10) });
  };
  if (chance.isOneIn(4)) say(mutated(chance, HANDSHAKE));
  else socket.send(HANDSHAKE);
  while (sent < FRAMES_PER_CONNECTION && socket.readyState === WebSocket.OPEN) {
    say(mutated(chance, chance.pick(goodFrames)));
    // Gives the server the time to answer or to close.
    if (chance.isOneIn(3)) await new Promise((resolve) => socket.ping('', undefined, resolve));
  }
  socket.close();
  await closed;
  return sent;
}

/** The same by POSTs of a long-polling connection. */
async function fuzzPosts({ server, opened, answers }: Target, chance: Chance): Promise<number> {
  const hub = new Hub(server.url);
  const { ticket, connectionToken } = await hub.attach(opened.accessToken);
  const headers: HeaderLine[] = [['Authorization', `Bearer ${ticket}`]];
  let sent = 0;
  for (; sent < FRAMES_PER_CONNECTION; sent++) {
    const { status } = await hub.request('POST', `/hub?id=${connectionToken}`, headers, mutated(chance, chance.pick(goodFrames)));
    assert.ok(status < 500, `a POST is answered ${status}`);
    answers.set(status, (answers.get(status) ?? 0) + 1);
    if (status !== 200) break;
  }
  await hub.request('DELETE', `/hub?id=${connectionToken}`, headers);
  return sent + 1;
}

async function fuzzFrames(target: Target, count: number): Promise<number> {
  let done = 0;
  const work = async (): Promise<void> => {
    while (done < count) {
      const chance = new Chance(target.master.below(2 ** 32));
      const sent = await (chance.isOneIn(20) ? fuzzPosts(target, chance) : fuzzWebSocket(target, chance));
      done += sent;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return done;
}

test('ten thousand fuzzed requests and frames get clear answers, a page beside them misses nothing, and no memory is kept', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  await using folder = await temporaryFolder();
  const config = join(folder.path, 'config.json');
  await writeFile(config, JSON.stringify({ limits: { failedCredentialsPerMinute: 1_000_000 }, webhooks }));
  await using server = await ServerProcess.start({
    nodeArgs: ['--expose-gc', '--import', HEAP_PROBE],
    args: ['--port', '0', '--store', `sqlite:${join(folder.path, 'ringback.db')}`, '--config', config, '--log-level', 'warn'],
  });
  const victim = await server.backEnd.open();
  await using page = await Page.open({ hubUrl: victim.hubUrl, accessToken: victim.accessToken });
  const opened = await server.backEnd.open();
  for (let sequence = 0; sequence < 3; sequence++) await server.backEnd.send(opened.id);
  const spare = await server.backEnd.open();
  const target: Target = { server, opened, spare, master: new Chance(SEED), answers: new Map() };

  await fuzzRequests(target, WARM_UP, async () => undefined);
  await fuzzFrames(target, WARM_UP / 3);
  const before = await heapOf(server);
  target.answers.clear();

  await fuzzRequests(target, REQUESTS, async (done) => {
    if (done % (REQUESTS / MESSAGES) === 0) await server.backEnd.send(victim.id, { data: done });
  });
  const frames = await fuzzFrames(target, FRAMES);
  const after = await heapOf(server);

  const statuses = [...target.answers].toSorted(([a], [b]) => a - b);
  t.diagnostic(
    `${REQUESTS} requests and ${frames} frames; answers ${JSON.stringify(Object.fromEntries(statuses))}; heap ${before} before, ${after} after`,
  );
  assert.ok(frames >= FRAMES);
  for (const status of [400, 401, 404, 415, 422])
    assert.ok((target.answers.get(status) ?? 0) > 10, `hardly anything was answered ${status}`);
  await page.untilMessages(MESSAGES);
  assert.deepEqual(
    page.sequences,
    Array.from({ length: MESSAGES }, (_, index) => index + 1),
  );
  await page.ack(MESSAGES);
  assert.equal((await server.backEnd.transaction(victim.id)).ackedSequence, MESSAGES);
  assert.ok(after <= before * 1.1, `the heap grew from ${before} to ${after} bytes`);
  assert.doesNotMatch(server.stderr, /"level":(50|60|"error"|"fatal")/, 'nothing needs a person to look');
});
