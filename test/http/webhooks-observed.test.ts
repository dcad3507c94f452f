/** What operators see of webhooks, and what an assembled server does with them besides answering. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import type { Logger } from '../../src/logger.ts';
import { parseConfiguration, type RingbackConfiguration } from '../../src/server/configuration.ts';
import { assemble, type Assembly, type Context } from '../../src/server/ringback.ts';
import { API_KEY, BackEnd } from '../fixtures/back-end.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { deliver, event, headersFor, SECRET, webhooks } from '../webhooks/delivery.ts';
import { newSecret, source } from '../webhooks/provider.ts';
import { exchange, fingerprint, headerOf, member } from './wire-client.ts';

type Line = Readonly<Record<string, unknown>>;

/** A server put together by hand, of which the test sees all parts. */
class Assembled implements AsyncDisposable {
  readonly url: string;
  readonly assembly: Assembly;
  readonly lines: readonly Line[];

  private constructor(assembly: Assembly, url: string, lines: readonly Line[]) {
    this.assembly = assembly;
    this.url = url;
    this.lines = lines;
  }

  static async start(configuration: RingbackConfiguration, context: Partial<Context> = {}): Promise<Assembled> {
    const lines: Line[] = [];
    const keep = (level: string) => (fields: object) => void lines.push({ level, ...fields });
    const logger: Logger = { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
    const all = parseConfiguration({ store: 'memory:', webhooks, ...configuration });
    const assembly = await assemble(all, { apiKeys: [API_KEY], logger, ...context });
    assembly.server.listen(0, '127.0.0.1');
    await once(assembly.server, 'listening');
    const address = assembly.server.address();
    assert.ok(typeof address === 'object' && address !== null);
    return new Assembled(assembly, `http://127.0.0.1:${address.port}`, lines);
  }

  get backEnd(): BackEnd {
    return new BackEnd(this.url);
  }

  webhookLines(): Line[] {
    return this.lines.filter((line) => line['event'] === 'webhook.received');
  }

  /** `{source="…",outcome="…"} n`, of those that count webhooks, or of another counter. */
  async counted(name = 'ringback_webhooks_total'): Promise<string[]> {
    const text = await this.assembly.metrics.registry.metrics();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`));
    return lines.map((line) => line.slice(name.length)).toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.assembly.server, 'close');
    this.assembly.server.close();
    await closed;
    await this.assembly.close();
  }
}

test('each outcome is counted and logged by source, and nothing else is told of it', async () => {
  const clock = new ManualClock();
  await using server = await Assembled.start(
    { limits: { messagesPerTransaction: 1, parkedMessages: 1, webhookBodyBytes: 1_000 } },
    { clock },
  );
  const { url, backEnd } = server;
  await backEnd.open({ reference: 'open-order' });
  const ended = await backEnd.open({ reference: 'settled-order' });
  await backEnd.settle(ended.id);
  await backEnd.open({ reference: 'expired-order', ttlSeconds: 1 });
  clock.advance(1_000);
  const at = clock.now();
  const tell = async (body: unknown, delivery: object = {}): Promise<number> =>
    (await deliver(url, body, { at, ...delivery })).status;
  const statuses = [
    await tell(event('open-order'), { id: 'first-event' }),
    await tell(event('open-order'), { id: 'first-event' }),
    await tell(event('open-order')),
    await tell(event('later-order')),
    await tell(event('other-order')),
    await tell(event('settled-order')),
    await tell(event('expired-order')),
    await tell(event('txn_none')),
    await tell({}),
    await tell(event('open-order'), { secret: newSecret() }),
    await tell('no json'),
    await tell('['.repeat(70)),
    await tell('x'.repeat(1_001)),
    await tell({}, { id: 'x'.repeat(201) }),
    await tell({}, { headers: [['Content-Encoding', 'gzip']] }),
    await tell({}, { source: 'not-configured' }),
  ];
  assert.deepEqual(statuses, [200, 200, 409, 200, 503, 200, 200, 200, 200, 401, 400, 422, 413, 422, 415, 404]);
  const expected: Readonly<Record<string, [level: string, count: number]>> = {
    stored: ['debug', 1],
    duplicate: ['debug', 1],
    mailbox_full: ['info', 1],
    parked: ['info', 1],
    too_many_parked: ['info', 1],
    settled: ['info', 1],
    expired: ['info', 1],
    unroutable: ['warn', 2],
    bad_signature: ['info', 1],
    invalid_json: ['info', 1],
    json_too_deep: ['info', 1],
    body_too_large: ['info', 1],
    invalid_request: ['info', 1],
    unsupported_media_type: ['info', 1],
  };
  assert.deepEqual(
    await server.counted(),
    Object.entries(expected)
      .map(([outcome, [, count]]) => `{source="acme",outcome="${outcome}"} ${count}`)
      .toSorted(),
  );
  const lines = server.webhookLines();
  for (const { cause, ...line } of lines) {
    assert.deepEqual(Object.keys(line).toSorted(), ['event', 'level', 'ms', 'outcome', 'source']);
    assert.equal(cause, line['outcome'] === 'bad_signature' ? 'signature' : undefined);
  }
  const logged = Map.groupBy(lines, (line) => String(line['outcome']));
  assert.deepEqual(
    Object.fromEntries([...logged].map(([outcome, same]) => [outcome, [same[0]?.['level'], same.length]])),
    expected,
  );
  const told = JSON.stringify(server.lines) + (await server.assembly.metrics.registry.metrics());
  for (const secret of ['first-event', '-order', 'txn_', 'not-configured', SECRET, SECRET.slice(6)])
    assert.ok(!told.includes(secret), secret);
});

test('why a signature was refused is logged and counted, and never told to the sender', async () => {
  const clock = new ManualClock();
  await using server = await Assembled.start({}, { clock });
  const at = clock.now();
  const body = JSON.stringify(event('order-7'));
  const good = headersFor(body, { at });
  const { 'webhook-id': _id, ...anonymous } = good;
  const causes: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['headers', {}],
    ['headers', anonymous],
    ['headers', { ...good, 'webhook-timestamp': 'now' }],
    ['clock', headersFor(body, { at: at - 301_000 })],
    ['clock', headersFor(body, { at: at + 301_000 })],
    ['signature', headersFor(body, { at, secret: newSecret() })],
    ['signature', { ...good, 'webhook-signature': 'v2,x' }],
  ];
  const forms = new Set<string>();
  for (const [, headers] of causes) {
    const post = { method: 'POST', path: '/webhooks/acme', headers: Object.entries(headers), body };
    forms.add(fingerprint(await exchange(server.url, post)));
  }
  assert.equal(forms.size, 1, [...forms].join('\n---\n'));
  assert.deepEqual(
    server.webhookLines().map(({ level, outcome, cause }) => [level, outcome, cause]),
    causes.map(([cause]) => ['info', 'bad_signature', cause]),
  );
  assert.deepEqual(await server.counted('ringback_webhook_refusals_total'), [
    '{source="acme",cause="clock"} 2',
    '{source="acme",cause="headers"} 3',
    '{source="acme",cause="signature"} 2',
  ]);
});

test('a parked webhook that nobody came for in time is counted', async () => {
  const clock = new ManualClock();
  await using server = await Assembled.start({ limits: { parkedSeconds: 60 } }, { clock });
  for (const reference of ['one', 'two', 'three'])
    assert.equal((await deliver(server.url, event(reference), { at: clock.now() })).status, 200);
  await server.backEnd.open({ reference: 'two' });
  clock.advance(59_000);
  assert.equal((await server.counted()).join(), '{source="acme",outcome="parked"} 3');
  clock.advance(1_000);
  await eventually('the two that are left are counted', async () => {
    clock.advance(1_000);
    await exchange(server.url, { method: 'GET', path: '/health/live' });
    return (await server.counted()).includes('{source="acme",outcome="unclaimed"} 2');
  });
  assert.deepEqual((await server.backEnd.messages((await server.backEnd.open({ reference: 'one' })).id)).messages, []);
});

test('a stored event is told to whoever traces, as every other message is, and counted as one', async () => {
  await using server = await Assembled.start({});
  const { id } = await server.backEnd.open({ reference: 'order-7' });
  const committed: unknown[] = [];
  const note = (message: unknown): void => void committed.push(message);
  subscribe('ringback:send.committed', note);
  try {
    for (const reference of ['order-7', id, 'later']) await deliver(server.url, event(reference));
  } finally {
    unsubscribe('ringback:send.committed', note);
  }
  assert.deepEqual(committed, [
    { transactionId: id, sequence: 1 },
    { transactionId: id, sequence: 2 },
  ]);
  assert.match(await server.assembly.metrics.registry.metrics(), /^ringback_messages_total\{outcome="stored"\} 2$/m);
});

test('a source can be added in code, beside the configured ones and under a name of its own', async () => {
  const secret = newSecret();
  const demo = source([secret], { name: 'demo', transaction: '/data/order' });
  await using server = await Assembled.start({}, { extraWebhooks: [demo] });
  const { id } = await server.backEnd.open({ reference: 'order-7' });
  assert.equal((await deliver(server.url, { data: { order: 'order-7' } }, { source: 'demo', secret })).status, 200);
  assert.equal((await deliver(server.url, event('order-7'))).status, 200);
  assert.equal((await deliver(server.url, event('order-7'), { source: 'demo' })).status, 401);
  assert.equal((await server.backEnd.messages(id)).lastSequence, 2);
  await assert.rejects(Assembled.start({}, { extraWebhooks: [{ ...demo, name: 'acme' }] }), /webhooks\.acme: this name is taken/);
});

test('a fault of the verifier itself is logged as one that a person must look at', async () => {
  const { generateKeyPairSync } = await import('node:crypto');
  const { publicKey } = generateKeyPairSync('ed25519');
  await using server = await Assembled.start(
    {},
    { extraWebhooks: [{ ...source([newSecret()], { name: 'broken' }), secrets: [publicKey] }] },
  );
  const answer = await deliver(server.url, event('order-7'), { source: 'broken' });
  assert.deepEqual([answer.status, member(answer.body, 'code')], [401, 'bad_signature']);
  assert.deepEqual(
    server.webhookLines().map(({ level, outcome, cause }) => [level, outcome, cause]),
    [['error', 'bad_signature', 'verifier']],
  );
  assert.deepEqual(await server.counted('ringback_webhook_refusals_total'), ['{source="broken",cause="verifier"} 1']);
});

test('a server that is being stopped takes nothing and says when to come again', async () => {
  await using server = await Assembled.start({});
  await server.assembly.drain(0);
  const answer = await deliver(server.url, event('order-7'));
  assert.deepEqual([answer.status, member(answer.body, 'code')], [503, 'draining']);
  assert.match(headerOf(answer, 'retry-after') ?? '', /^\d+$/);
  assert.deepEqual(await server.counted(), ['{source="acme",outcome="draining"} 1']);
});
