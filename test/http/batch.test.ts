/** Many messages in one request: each is a send of its own, the schema is that of the whole, the commit is one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Logger } from '../../src/logger.ts';
import { parseConfiguration } from '../../src/server/configuration.ts';
import { assemble } from '../../src/server/ringback.ts';
import { API_KEY, BackEnd } from '../fixtures/back-end.ts';
import { eachSetting } from '../fixtures/each-setting.ts';
import { request, type Answer, type RequestOptions } from '../fixtures/http-api.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startServer, stores, temporaryFolder, type ServerOptions, type TestServer } from '../fixtures/server.ts';
import { member } from './wire-client.ts';

const PATH = '/v1/messages:batch';

function post({ backEnd }: { backEnd: BackEnd }, messages: readonly unknown[], options: RequestOptions = {}): Promise<Answer> {
  return backEnd.call('POST', PATH, { json: { messages }, ...options });
}

function resultsOf({ status, body, text }: Answer): unknown[] {
  assert.equal(status, 200, text);
  const results = member(body, 'results');
  assert.ok(Array.isArray(results), text);
  return results;
}

/** The fields that a 422 names. */
function fieldsOf(answer: Answer): unknown[] {
  assert.deepEqual([answer.status, member(answer.body, 'code')], [422, 'invalid_request'], answer.text);
  const errors = member(answer.body, 'errors');
  assert.ok(Array.isArray(errors));
  return errors.map((each) => member(each, 'field'));
}

/** Registers the test for each store. */
function eachStore(title: string, run: (server: TestServer) => Promise<void>, options: ServerOptions = {}): void {
  for (const store of stores) {
    test(`${title} (${store.name})`, async () => {
      await using folder = await temporaryFolder();
      await using server = await startServer({ ...options, ...store.at(folder.path) });
      await run(server);
    });
  }
}

eachStore('the messages of a batch go to their transactions in order, and each has its result in its place', async (server) => {
  const [first, second] = [await server.backEnd.open(), await server.backEnd.open()];
  await server.backEnd.send(second.id);
  const answer = await post(server, [
    { transaction: first.id, type: 'a', data: { n: 1 }, id: 'm1' },
    { transaction: second.id, type: 'b', data: null },
    { type: 'c', id: 'm 3', data: [], transaction: first.id },
    { transaction: first.id, type: 'd', data: 'text', id: 'm4' },
  ]);
  const results = resultsOf(answer);
  const made = member(results[1], 'id');
  assert.match(String(made), /^msg_[\w-]{20,}$/);
  assert.deepEqual(results, [
    { id: 'm1', sequence: 1, status: 'stored', duplicate: false },
    { id: made, sequence: 2, status: 'stored', duplicate: false },
    { id: 'm 3', sequence: 2, status: 'stored', duplicate: false },
    { id: 'm4', sequence: 3, status: 'stored', duplicate: false },
  ]);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  const { messages } = await server.backEnd.messages(first.id);
  assert.deepEqual(
    messages.map(({ id, type, data }) => [id, type, data]),
    [
      ['m1', 'a', { n: 1 }],
      ['m 3', 'c', []],
      ['m4', 'd', 'text'],
    ],
  );
  assert.equal((await server.backEnd.receipt(second.id, String(made))).sequence, 2);
});

eachStore('data is kept as it was sent, and nothing in it is a member of ours', async (server) => {
  const { id } = await server.backEnd.open();
  const data = [
    '{"__proto__":{"x":1},"constructor":null,"z":12345678901234567890,"a":1e400,"\\u0041":"\\/"}',
    '[{"data":1,"type":"no"},{"messages":[{"data":2}]}]',
    '"}],\\"data\\":9"',
    '{}',
    'false',
  ];
  const written = data.map((each) => `\n{ "data" : 0, "transaction" : "${id}", "d\\u0061ta" :\t${each} , "type":"t" }`);
  const raw = `{"messages":[{"never":"seen"}], "messages": [${written.join(' ,')} ] }`;
  const answer = await server.backEnd.call('POST', PATH, { raw });
  assert.equal(resultsOf(answer).length, data.length);
  const { text } = await server.backEnd.call('GET', `/v1/transactions/${id}/messages`);
  for (const each of data) assert.ok(text.includes(`"data":${each},`), each);
});

for (const store of stores) {
  test(`what a message is refused for is what a request for it alone would be (${store.name})`, async () => {
    await using folder = await temporaryFolder();
    const clock = new ManualClock();
    const limits = { messagesPerTransaction: 2, messageBytes: 1_000 };
    await using server = await startServer({ clock, limits, ...store.at(folder.path) });
    const { backEnd } = server;
    const expired = await backEnd.open({ ttlSeconds: 1 });
    await backEnd.send(expired.id, { id: 'before' });
    clock.advance(1_000);
    const [settled, forgotten, full, open] = [
      await backEnd.open(),
      await backEnd.open(),
      await backEnd.open(),
      await backEnd.open(),
    ];
    await backEnd.settle(settled.id);
    await backEnd.forget(forgotten.id);
    for (const id of ['one', 'two']) await backEnd.send(full.id, { id });
    await backEnd.send(open.id, { id: 'used', data: 1 });
    const refused = [
      { transaction: 'nobody', type: 't', data: 1 },
      { transaction: '', type: 't', data: 1 },
      { transaction: forgotten.id, type: 't', data: 1 },
      { transaction: settled.id, type: 't', data: 1 },
      { transaction: expired.id, type: 't', data: 1 },
      { transaction: full.id, type: 't', data: 1 },
      { transaction: open.id, type: 't', data: 1, id: 'used' },
      { transaction: open.id, type: 't', data: 'x'.repeat(999) },
    ];
    const alone: unknown[] = [];
    for (const { transaction, ...json } of refused) {
      const answer = await backEnd.call('POST', `/v1/transactions/${transaction || 'nobody'}/messages`, { json });
      const { type, ...error } = Object(answer.body);
      assert.equal(type, 'about:blank');
      alone.push({ error });
    }
    const taken = { transaction: open.id, type: 't', data: 1 };
    const results = resultsOf(
      await post(
        server,
        refused.flatMap((each) => [each, { ...taken, id: 'taken' }]),
      ),
    );
    assert.deepEqual(
      results.filter((_, index) => index % 2 === 0),
      alone,
    );
    assert.deepEqual(
      alone.map((each) => member(member(each, 'error'), 'code')),
      [
        ...Array.from({ length: 3 }, () => 'transaction_not_found'),
        'transaction_settled',
        'transaction_expired',
        'mailbox_full',
        'idempotency_conflict',
        'data_too_large',
      ],
    );
    for (const [index, each] of results.filter((_, at) => at % 2 === 1).entries())
      assert.deepEqual(each, { id: 'taken', sequence: 2, status: 'stored', duplicate: index > 0 });
    // A repeat is answered whatever has become of its transaction.
    const late = resultsOf(await post(server, [{ transaction: expired.id, type: 'note', data: null, id: 'before' }]));
    assert.deepEqual(late, [{ id: 'before', sequence: 1, status: 'stored', duplicate: true }]);
  });
}

eachStore('an id makes repeating safe: within a batch, and of a batch', async (server) => {
  const { id: transaction } = await server.backEnd.open();
  const batch = [
    { transaction, type: 'paid', data: { n: 1 }, id: 'a' },
    { transaction, type: 'paid', data: { n: 1 }, id: 'a' },
    { transaction, type: 'paid', data: { n: 2 }, id: 'a' },
    { transaction, type: 'paid', data: { n: 1 }, id: 'b' },
  ];
  const told = async (): Promise<unknown[]> =>
    resultsOf(await post(server, batch)).map((each) => member(each, 'duplicate') ?? member(member(each, 'error'), 'status'));
  assert.deepEqual(await told(), [false, true, 409, false]);
  assert.deepEqual(await told(), [true, true, 409, true]);
  const alone = await server.backEnd.send(transaction, { type: 'paid', data: { n: 1 }, id: 'b' });
  assert.deepEqual(alone, { id: 'b', sequence: 2, status: 'stored', duplicate: true });
  assert.equal((await server.backEnd.transaction(transaction)).lastSequence, 2);
});

eachStore('one message that does not fit its schema refuses the whole batch, and nothing of it is kept', async (server) => {
  const { id: transaction } = await server.backEnd.open();
  const good = { transaction, type: 't', data: 1 };
  const bad: readonly (readonly [message: unknown, field: string])[] = [
    [{ ...good, type: 'no spaces' }, '/type'],
    [{ ...good, type: 7 }, '/type'],
    [{ transaction, data: 1 }, '/type'],
    [{ type: 't', data: 1 }, '/transaction'],
    [{ ...good, transaction: 1 }, '/transaction'],
    [{ transaction, type: 't' }, '/data'],
    [{ ...good, id: '' }, '/id'],
    [{ ...good, id: 'x'.repeat(201) }, '/id'],
    [{ ...good, id: 'line\nbreak' }, '/id'],
    [{ ...good, id: null }, '/id'],
    [{ ...good, idempotencyKey: 'k' }, '/idempotencyKey'],
    [{ ...good, 'a/b~c': 1 }, '/a~1b~0c'],
    [null, ''],
    [[good], ''],
    ['message', ''],
  ];
  for (const [message, field] of bad) {
    const many = [...Array.from({ length: 17 }, () => good), message, good];
    assert.deepEqual(fieldsOf(await post(server, many)), [`/messages/17${field}`], JSON.stringify(message));
  }
  const proto = `{"messages":[{"transaction":"${transaction}","type":"t","data":1,"__proto__":{"id":"x"}}]}`;
  assert.deepEqual(fieldsOf(await server.backEnd.call('POST', PATH, { raw: proto })), ['/messages/0/__proto__']);
  const both = await post(server, [{ ...good, type: '?' }, good, { ...good, id: '' }]);
  assert.deepEqual(fieldsOf(both), ['/messages/0/type', '/messages/2/id']);
  assert.equal((await server.backEnd.transaction(transaction)).lastSequence, 0);
});

test('the body is a list of 1 to 1,000 messages and nothing else, and what is far too long is not looked into', async () => {
  await using server = await startServer();
  const { id: transaction } = await server.backEnd.open();
  const good = { transaction, type: 't', data: 1 };
  const bodies: readonly (readonly [raw: string, field: string])[] = [
    ['{}', '/messages'],
    ['{"messages":[]}', '/messages'],
    ['{"messages":{"0":1,"length":1}}', '/messages'],
    ['{"messages":null}', '/messages'],
    [JSON.stringify({ messages: Array.from({ length: 1_001 }, () => good) }), '/messages'],
    [`{"messages":[${'1,'.repeat(2_000_000)}1]}`, '/messages'],
    [JSON.stringify({ messages: [good], more: 1 }), '/more'],
    [JSON.stringify([good]), ''],
    ['null', ''],
  ];
  for (const [raw, field] of bodies)
    assert.deepEqual(fieldsOf(await server.backEnd.call('POST', PATH, { raw })), [field], raw.slice(0, 40));
  const none = await server.backEnd.call('POST', PATH, { headers: { 'content-type': 'application/json' } });
  assert.deepEqual(fieldsOf(none), ['/messages']);
  assert.deepEqual(fieldsOf(await server.backEnd.call('POST', `${PATH}?x=1`, { json: { messages: [good] } })), ['?x']);
  const broken = await server.backEnd.call('POST', PATH, { raw: `{"messages":[${JSON.stringify(good)},]}` });
  assert.deepEqual([broken.status, member(broken.body, 'code')], [400, 'invalid_json']);
  assert.equal((await server.backEnd.transaction(transaction)).lastSequence, 0);
  const most = resultsOf(
    await post(
      server,
      Array.from({ length: 1_000 }, () => good),
    ),
  );
  assert.deepEqual(
    most.map((each) => member(each, 'sequence')),
    Array.from({ length: 1_000 }, (_, index) => index + 1),
  );
});

test('headers for a single message are refused by name, and told what to do instead', async () => {
  await using server = await startServer();
  const { id: transaction } = await server.backEnd.open();
  const batch = [{ transaction, type: 't', data: 1 }];
  const key = await post(server, batch, { headers: { 'idempotency-key': 'k' } });
  assert.deepEqual(fieldsOf(key), ['Idempotency-Key']);
  assert.match(key.text, /give each message an \\"id\\"/);
  const wait = await post(server, batch, { headers: { prefer: 'wait=5' } });
  assert.deepEqual(fieldsOf(wait), ['Prefer']);
  assert.match(wait.text, /receipts/);
  const both = await post(server, batch, { headers: { prefer: 'respond-async, wait=0', 'idempotency-key': '' } });
  assert.deepEqual(fieldsOf(both), ['Idempotency-Key', 'Prefer']);
  assert.equal((await server.backEnd.transaction(transaction)).lastSequence, 0);
  // What means nothing here is ignored, as on every route.
  assert.equal(resultsOf(await post(server, batch, { headers: { prefer: 'respond-async' } })).length, 1);
});

test('the body may have batchBytes and not one more, and each message is as deep as it may be alone', async () => {
  await using server = await startServer({ limits: { batchBytes: 20_000, messageBytes: 9_000, jsonDepth: 10 } });
  const { id: transaction } = await server.backEnd.open();
  const raw = JSON.stringify({ messages: [{ transaction, type: 't', data: 'x'.repeat(8_998) }] });
  const padded = (bytes: number): Promise<Answer> => server.backEnd.call('POST', PATH, { raw: raw.padEnd(bytes) });
  assert.equal(resultsOf(await padded(20_000)).length, 1);
  const large = await padded(20_001);
  assert.deepEqual([large.status, member(large.body, 'code')], [413, 'body_too_large']);
  const deep = async (levels: number): Promise<readonly unknown[]> => {
    const data = `${'['.repeat(levels)}${']'.repeat(levels)}`;
    const single = await server.backEnd.call('POST', `/v1/transactions/${transaction}/messages`, {
      raw: `{"type":"t","data":${data}}`,
    });
    const batch = await server.backEnd.call('POST', PATH, {
      raw: `{"messages":[{"transaction":"${transaction}","type":"t","data":${data}}]}`,
    });
    return [single.status, batch.status, member(batch.body, 'code')];
  };
  assert.deepEqual(await deep(9), [202, 200, undefined]);
  assert.deepEqual(await deep(10), [422, 422, 'json_too_deep']);
  assert.equal((await server.backEnd.transaction(transaction)).lastSequence, 3);
});

test('only an API key sends a batch, and no page is let in by CORS', async () => {
  await using server = await startServer();
  const { id: transaction, accessToken } = await server.backEnd.open();
  const json = { messages: [{ transaction, type: 't', data: 1 }] };
  for (const bearer of [accessToken, 'nonsense', undefined]) {
    const options = { json, origin: server.url, ...(bearer !== undefined && { bearer }) };
    const answer = await request('POST', server.url + PATH, options);
    assert.deepEqual([answer.status, answer.headers.get('access-control-allow-origin')], [401, null]);
  }
  const preflight = { origin: server.url, headers: { 'access-control-request-method': 'POST' } };
  const asked = await request('OPTIONS', server.url + PATH, preflight);
  assert.deepEqual([asked.status, asked.headers.get('allow')], [405, 'POST']);
  const keyed = await request('POST', server.url + PATH, { json, origin: server.url, bearer: API_KEY });
  assert.deepEqual([keyed.status, keyed.headers.get('access-control-allow-origin')], [200, null]);
  assert.equal((await server.backEnd.transaction(transaction)).lastSequence, 1);
  for (const path of ['/v1/messages', '/v1/messages:', '/v1/messages::batch', '/v1/messages:batches', '/v1/messagesx'])
    assert.equal((await server.backEnd.call('POST', path, { json })).status, 404, path);
});

test('a batch is counted message by message, and logged by the pattern that people know', async () => {
  const logged = Promise.withResolvers<void>();
  const keep = (fields: object): void => {
    if (member(fields, 'route') === PATH && member(fields, 'status') === 200) logged.resolve();
  };
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };
  const assembly = await assemble(parseConfiguration({ store: 'memory:' }), { apiKeys: [API_KEY], logger });
  assembly.server.listen(0, '127.0.0.1');
  await once(assembly.server, 'listening');
  try {
    const address = assembly.server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const backEnd = new BackEnd(`http://127.0.0.1:${address.port}`);
    const { id: transaction } = await backEnd.open();
    const message = { transaction, type: 't', data: 1, id: 'm' };
    resultsOf(await post({ backEnd }, [message, message, { ...message, id: 'n' }, { ...message, transaction: 'nobody' }]));
    await logged.promise;
    const text = await assembly.metrics.registry.metrics();
    for (const counted of [
      'ringback_messages_total{outcome="stored"} 2',
      'ringback_messages_total{outcome="duplicate"} 1',
      `ringback_http_requests_total{method="POST",route="${PATH}",status="200"} 1`,
    ])
      assert.ok(text.includes(`${counted}\n`), counted);
  } finally {
    const closed = once(assembly.server, 'close');
    assembly.server.close();
    assembly.server.closeAllConnections();
    await closed;
    await assembly.close();
  }
});

eachSetting('pages that wait get what a batch has for them, in order, and nothing else', async ({ backEnd, attach }) => {
  const [mine, other] = [await backEnd.open(), await backEnd.open()];
  await using page = await attach(mine);
  await using stranger = await attach(other);
  const messages = Array.from({ length: 60 }, (_, n) => ({
    transaction: n % 3 === 0 ? other.id : mine.id,
    type: 'n',
    data: n,
  }));
  const results = resultsOf(await post({ backEnd }, messages));
  await Promise.all([page.untilMessages(40), stranger.untilMessages(20)]);
  for (const [seen, transaction] of [[page, mine.id] as const, [stranger, other.id] as const]) {
    const expected = messages.flatMap((each, index) =>
      each.transaction === transaction
        ? [{ id: member(results[index], 'id'), sequence: member(results[index], 'sequence'), data: each.data }]
        : [],
    );
    const got = seen.calls.flatMap((call) => (call.name === 'message' ? [call.message] : []));
    assert.deepEqual(
      got.map(({ id, sequence, data }) => ({ id, sequence, data })),
      expected,
    );
  }
});
