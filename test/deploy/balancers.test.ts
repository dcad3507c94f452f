/** Real nginx, HAProxy and Caddy with the files of `deploy/`, in front of real servers and real clients. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import type { WireOpened } from '../../src/server/wire.ts';
import { StockPage } from '../drain/draining.ts';
import { API_KEY, BackEnd } from '../fixtures/back-end.ts';
import { eventually } from '../fixtures/eventually.ts';
import { request } from '../fixtures/http-api.ts';
import { Page } from '../fixtures/page.ts';
import { ServerProcess, startServer } from '../fixtures/server.ts';
import { allInstalled, Balancer, place, portOf, type BalancerKind, type Repeatable } from './balancer.ts';
import type { Unpacked } from '../fixtures/apt.ts';
import { Upstream } from './upstream.ts';

/** How often a request is made that might go to either instance. */
const OFTEN = 12;
const PROXY = '127.0.0.1/32';
const WEBHOOKS = {
  acme: { preset: 'standard-webhooks', secrets: ['whsec_c2VjcmV0LW9mLXRoZS1wcm92aWRlcg=='], transaction: '/order' },
} as const;

for (const [kind, unpacked] of await allInstalled()) {
  const options = 'problem' in unpacked ? { skip: unpacked.problem } : {};
  const through = (title: string, run: (unpacked: Unpacked) => Promise<void>): void => {
    test(`${kind.name}: ${title}`, options, async () => {
      assert.ok(!('problem' in unpacked));
      await run(unpacked);
    });
  };

  through('pages over every transport get everything, in order, and their replies come back', async (program) => {
    await using at = await place();
    await using server = await startServer({ publicUrl: at.url, trustedProxies: [PROXY] });
    const instance = portOf(server.url);
    await using balancer = await Balancer.start({ kind, unpacked: program, ...at, instances: [instance, instance] });
    const backEnd = new BackEnd(balancer.url);
    for (const transport of ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const) {
      const opened = await backEnd.open();
      await using page = await Page.open({
        ...opened,
        transport,
        onMessage: ({ sequence }, { connection }) => void connection.send('ack', sequence, 'yes'),
      });
      assert.equal((await backEnd.transaction(opened.id)).connections[0]?.transport, transport);
      for (let n = 1; n <= 10; n++) assert.equal((await backEnd.send(opened.id, { data: n }, 20)).status, 'handled');
      assert.deepEqual(
        page.messages.map(({ data }) => data),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      );
    }
    const messages = Array.from({ length: 40 }, () => ({ transaction: 'txn_none', type: 'note', data: 'x'.repeat(60_000) }));
    const batch = await backEnd.call('POST', '/v1/messages:batch', { json: { messages } });
    assert.equal(batch.status, 200, `two megabytes get through: ${batch.text}`);
    const large = await backEnd.call('POST', '/v1/messages:batch', { raw: ' '.repeat(8_500_000) });
    assert.equal(JSON.parse(large.text).code, 'body_too_large', 'the server itself says that it is too much');
  });

  through('limits count the visitor and not the balancer, whatever address the visitor claims', async (program) => {
    await using at = await place();
    await using server = await startServer({
      publicUrl: at.url,
      trustedProxies: [PROXY],
      limits: { failedCredentialsPerMinute: 3 },
    });
    const instance = portOf(server.url);
    await using balancer = await Balancer.start({ kind, unpacked: program, ...at, instances: [instance, instance] });
    const tryFrom = (localAddress: string, claimed: string) => wrongCredential(balancer.url, localAddress, claimed);
    for (const claimed of ['10.1.1.1', '10.1.1.2', '10.1.1.3']) assert.equal(await tryFrom('127.0.0.2', claimed), 401);
    assert.equal(await tryFrom('127.0.0.2', '10.1.1.4'), 429);
    assert.equal(await tryFrom('127.0.0.3', '127.0.0.2'), 401);
  });

  through('no ticket, no query and no callback URL is in any log, nor when nothing answers', async (program) => {
    await using at = await place();
    await using server = await startServer({ publicUrl: at.url });
    const instance = portOf(server.url);
    await using balancer = await Balancer.start({ kind, unpacked: program, ...at, instances: [instance, instance] });
    const opened = await new BackEnd(balancer.url).open();
    const { socket, secrets } = await browserSocket(opened);
    const callback = opened.callbackUrl ?? assert.fail('no callback URL');
    assert.equal((await request('POST', `${callback}?tell=nobody`, { json: {} })).status, 202);
    socket.terminate();
    await server.drain();
    assert.ok((await request('POST', `${callback}?tell=nobody`, { json: {} })).status >= 502);
    assert.ok((await request('GET', `${opened.hubUrl}?id=${secrets[0]}&access_token=${secrets[1]}`)).status >= 502);
    await eventually(
      'the requests are logged',
      async () => balancer.log.split('/callbacks/').length > 2 && balancer.log.includes('/hub'),
    );
    const { log } = balancer;
    for (const secret of [
      ...secrets,
      callback.split('/').at(-1) ?? '',
      opened.accessToken,
      API_KEY,
      'tell=nobody',
      'access_token',
    ]) {
      assert.ok(secret.length > 8 && !log.includes(secret), `${secret} was logged`);
    }
  });

  through('what an instance refuses or no longer hears goes to another one, but no send that it may have read', (program) =>
    unnoticed(kind, program),
  );

  through(
    'an instance that drains is left out, one that is killed costs nothing, and where there is none it is said so',
    (program) => oneLess(kind, program),
  );
}

/** Shows a bearer that is none, from an address of this machine; resolves to the status. */
async function wrongCredential(url: string, localAddress: string, claimed: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = { authorization: 'Bearer rbat_nothing', 'x-forwarded-for': claimed };
  const asked = httpRequest(`${url}/v1/transactions/txn_none`, { localAddress, headers, agent: false }, (answer) => {
    answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
  });
  asked.once('error', reject).end();
  return promise;
}

/** Connects as a browser does, which has no headers for it: token and ticket are in the query. */
async function browserSocket(opened: WireOpened): Promise<{ socket: WebSocket; secrets: readonly string[] }> {
  const answer = await request('POST', `${opened.hubUrl}/negotiate?negotiateVersion=1`, { bearer: opened.accessToken });
  const { connectionToken, accessToken }: { connectionToken: string; accessToken: string } = JSON.parse(answer.text);
  const socket = new WebSocket(`${opened.hubUrl.replace('http', 'ws')}?id=${connectionToken}&access_token=${accessToken}`, {
    origin: new URL(opened.hubUrl).origin,
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return { socket, secrets: [connectionToken, accessToken] };
}

interface Call {
  readonly name: Repeatable | 'send';
  readonly method: string;
  readonly path: string;
  /** Of an instance that serves. */
  readonly status: number;
  readonly options?: Parameters<BackEnd['call']>[2];
}

function callsOf({ id, accessToken }: WireOpened): readonly Call[] {
  const messages = `/v1/transactions/${id}/messages`;
  const json = { type: 'note', data: 1 };
  return [
    { name: 'read', method: 'GET', path: `/v1/transactions/${id}`, status: 200 },
    {
      name: 'negotiate',
      method: 'POST',
      path: '/hub/negotiate?negotiateVersion=1',
      status: 200,
      options: { bearer: accessToken },
    },
    // Nothing is signed here: it is refused by the instance that serves.
    { name: 'webhook', method: 'POST', path: '/webhooks/acme', status: 401, options: { json: {} } },
    {
      name: 'keyed send',
      method: 'POST',
      path: messages,
      status: 202,
      options: { json, headers: { 'idempotency-key': 'once' } },
    },
    { name: 'send', method: 'POST', path: messages, status: 202, options: { json } },
  ];
}

/** The statuses of many tries; each refusal has to say when to come again. */
async function statusesOf(backEnd: BackEnd, { method, path, options }: Call): Promise<Set<number>> {
  const statuses = new Set<number>();
  for (let n = 0; n < OFTEN; n++) {
    const { status, headers } = await backEnd.call(method, path, options);
    statuses.add(status);
    if (status === 503) assert.match(headers.get('retry-after') ?? '', /^\d+$/);
  }
  return statuses;
}

/** What one instance refuses, and what it can no longer be told, while nobody has noticed yet that it goes. */
async function unnoticed(kind: BalancerKind, unpacked: Unpacked): Promise<void> {
  await using at = await place();
  await using serves = await startServer({ publicUrl: at.url, webhooks: WEBHOOKS });
  const goes = await Upstream.start((incoming, response) => {
    if (incoming.url?.startsWith('/health/') === true) response.end('{"status":"ready"}');
    else response.writeHead(503, { 'retry-after': '1', 'content-type': 'application/problem+json' }).end('{"code":"draining"}');
  });
  await using _gone = goes;
  await using balancer = await Balancer.start({ kind, unpacked, ...at, instances: [portOf(serves.url), goes.port] });
  const backEnd = new BackEnd(balancer.url);
  const calls = callsOf(await serves.backEnd.open());
  for (const call of calls) {
    const isRepeated = call.name !== 'send' && kind.repeats.includes(call.name);
    const expected = new Set(isRepeated ? [call.status] : [call.status, 503]);
    assert.deepEqual(await statusesOf(backEnd, call), expected, call.name);
  }
  assert.ok(goes.paths.length > OFTEN, 'the one that refuses was asked');
  await goes[Symbol.asyncDispose]();
  for (const call of calls)
    assert.deepEqual(await statusesOf(backEnd, call), new Set([call.status]), `${call.name}, of one that is gone`);
}

/** A real process from SIGTERM to its end, and then the end of the other one. */
async function oneLess(kind: BalancerKind, unpacked: Unpacked): Promise<void> {
  await using at = await place();
  const config = join(at.folder, 'ringback.json');
  writeFileSync(config, JSON.stringify({ webhooks: WEBHOOKS }));
  await using stays = await startServer({ publicUrl: at.url, webhooks: WEBHOOKS });
  const args = ['--port', '0', '--store', 'memory:', '--config', config, '--public-url', at.url, '--drain-seconds', '40'];
  await using leaves = await ServerProcess.start({ args });
  const instances = [portOf(stays.url), Number(leaves.port)] as const;
  await using balancer = await Balancer.start({ kind, unpacked, ...at, instances });
  const backEnd = new BackEnd(balancer.url);
  // They share no store: what one of them does not know, the other does, and so both are seen. Nor do they know each other's
  // tokens, so negotiating is for later.
  const calls = callsOf(await stays.backEnd.open());
  const [read] = calls;
  assert.ok(read !== undefined);
  assert.deepEqual(await statusesOf(backEnd, read), new Set([200, 404]));

  // Three pages, so that it drains for some seconds.
  const direct = { ...(await leaves.backEnd.open()), hubUrl: `${leaves.url}/hub` };
  await using pages = new AsyncDisposableStack();
  for (let n = 0; n < 3; n++) pages.use(await StockPage.open(direct, 'WebSockets'));
  leaves.child.kill('SIGTERM');
  await eventually('it drains', async () => (await leaves.backEnd.call('GET', '/health/ready')).status === 503);
  const repeated = calls.filter(({ name }) => name !== 'send' && name !== 'negotiate' && kind.repeats.includes(name));
  for (const call of repeated) assert.deepEqual(await statusesOf(backEnd, call), new Set([call.status]), call.name);
  if (kind.asksHealth) {
    await isOut(backEnd);
    for (const call of calls)
      assert.deepEqual(await statusesOf(backEnd, call), new Set([call.status]), `${call.name}, of one that is out`);
  }
  assert.equal((await leaves.backEnd.call('GET', '/health/live')).status, 200, 'it was draining all the time');

  await leaves.stop('SIGKILL');
  for (const call of calls)
    assert.deepEqual(await statusesOf(backEnd, call), new Set([call.status]), `${call.name}, of one that is gone`);

  // And now there is nobody.
  await stays.drain();
  const answer = await backEnd.call(read.method, read.path);
  assert.equal(answer.status, 503, answer.text);
  assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
}

/** The health check has seen that one instance drains: nothing that could go to it is refused any more. */
async function isOut(backEnd: BackEnd): Promise<void> {
  const open: Call = { name: 'send', method: 'POST', path: '/v1/transactions', status: 201, options: { json: {} } };
  await eventually('the draining instance is left out', async () => !(await statusesOf(backEnd, open)).has(503));
}
