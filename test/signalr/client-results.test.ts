/** What a hub asks its clients: answers, silence, and who may not be asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { silentLogger } from '../../src/logger.ts';
import { allowAnybody, Hub, type HubContext, type HubOptions, method, upload } from '../../src/signalr/index.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startHubServer } from './hub-server.ts';
import { frame, RawSocket } from './raw-client.ts';

type Context = HubContext<undefined>;

const own: HubOptions<undefined>['methods'] = {
  id: ({ connection }) => connection.id,
  echo: (_context, value) => value,
  ask: ({ clients }, id, ...args) => clients.client(String(id)).invoke('Question', args),
  askMe: ({ clients }) => clients.caller.invoke('Question', []),
  askWithin: ({ clients }, id, timeoutMs) => clients.client(String(id)).invoke('Question', [], { timeoutMs: Number(timeoutMs) }),
};

async function start(options: Partial<HubOptions<undefined>> = {}) {
  const clock = new ManualClock();
  const { methods, ...others } = options;
  const handler = new Hub<undefined>({ clock, enableDetailedErrors: true, ...others, methods: { ...own, ...methods } });
  const server = await startHubServer({ handler, authenticate: allowAnybody });
  return { ...server, clock, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function join(url: string): Promise<{ socket: RawSocket; id: string } & Disposable> {
  const socket = await RawSocket.join(url);
  socket.call('id');
  const { result } = message(await socket.next());
  return { socket, id: String(result), [Symbol.dispose]: () => socket[Symbol.dispose]() };
}

function message(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  return { ...(typeof value === 'object' ? value : {}) };
}

const answer = (id: unknown, outcome: object): string => frame({ type: 3, invocationId: id, ...outcome });
const failed = (target: string, text: string): string =>
  `An unexpected error occurred invoking '${target}' on the server. ${text}`;

test('what a client answers is the result, what it does not is an error', async () => {
  await using server = await start();
  using a = await join(server.url);
  using b = await join(server.url);
  const outcomes = [
    [{ result: 'yes' }, { result: 'yes' }],
    [{ result: null }, { result: null }],
    [{ result: { deep: [1] } }, { result: { deep: [1] } }],
    [{}, { error: failed('ask', "HubException: Client didn't provide a result.") }],
    [{ error: 'no' }, { error: failed('ask', 'HubException: no') }],
  ] as const;
  for (const [n, [given, expected]] of outcomes.entries()) {
    a.socket.call('ask', b.id, 'why', n);
    const question = message(await b.socket.next());
    assert.deepEqual(question, { type: 1, invocationId: `s${n + 1}`, target: 'Question', arguments: ['why', n] });
    b.socket.send(answer(question['invocationId'], given));
    assert.deepEqual(message(await a.socket.next()), { type: 3, invocationId: '1', ...expected });
  }
});

test('who is not there, leaves, or is silent for 30 s does not answer; nor does it answer late', async () => {
  await using server = await start();
  using a = await join(server.url);
  const error = async (): Promise<unknown> => message(await a.socket.next())['error'];
  a.socket.call('ask', 'nobody');
  assert.equal(await error(), failed('ask', "IOException: Connection 'nobody' does not exist."));

  const b = await join(server.url);
  a.socket.call('ask', b.id);
  await b.socket.next();
  b.socket.webSocket.terminate();
  assert.equal(await error(), failed('ask', `IOException: Connection '${b.id}' disconnected.`));

  using c = await join(server.url);
  for (const [call, afterMs] of [
    [() => a.socket.call('ask', c.id), 30_000],
    [() => a.socket.call('askWithin', c.id, 200), 200],
  ] as const) {
    call();
    const { invocationId } = message(await c.socket.next());
    server.clock.advance(afterMs - 1);
    a.socket.call('echo', 'in between');
    assert.match(await a.socket.next(), /in between/);
    server.clock.advance(1);
    assert.match(String(await error()), /HubException: Invocation canceled by the server\.$/);
    c.socket.send(answer(invocationId, { result: 'late' }));
    c.socket.call('echo', 'goes on');
    assert.match(await c.socket.next(), /goes on/);
  }
  assert.equal(server.clock.pendingCount, 0, 'no timer is left');
});

test('a wait can be cancelled; what is cancelled before, or cannot be encoded, is not asked at all', async () => {
  const stop = new AbortController();
  await using server = await start({
    methods: {
      until: ({ clients }) => clients.caller.invoke('Question', [], { signal: stop.signal }),
      cycle({ clients }) {
        const value: unknown[] = [];
        value.push(value);
        return clients.caller.invoke('Question', [value]);
      },
    },
  });
  using a = await join(server.url);
  a.socket.call('cycle');
  assert.match(await a.socket.next(), /TypeError: Converting circular structure/);
  a.socket.call('until');
  assert.match(await a.socket.next(), /"target":"Question"/);
  stop.abort();
  for (let n = 0; n < 2; n++) {
    assert.match(await a.socket.next(), /"error":".*HubException: Invocation canceled by the server\."/);
    if (n === 0) a.socket.call('until');
  }
  assert.equal(server.clock.pendingCount, 0);
});

test('only the client that was asked may answer; another is disconnected, which is no fault of the app', async (t) => {
  const warn = t.mock.fn();
  await using server = await start({ logger: { ...silentLogger, warn } });
  using a = await join(server.url);
  using b = await join(server.url);
  using c = await join(server.url);
  a.socket.call('ask', b.id);
  await b.socket.next();
  c.socket.send(answer('s1', { result: 'intruder' }));
  assert.deepEqual(message(await c.socket.next()), {
    type: 7,
    error: `Connection closed with an error. InvalidOperationException: Connection ID '${c.id}' is not valid for invocation ID 's1'.`,
    allowReconnect: true,
  });
  b.socket.send(answer('s1', { result: 'b' }));
  assert.match(await a.socket.next(), /"result":"b"/);
  assert.equal(warn.mock.callCount(), 0);
});

test('nobody can be asked in onConnected, where calls would have to wait for the answer', async () => {
  await using server = await start({
    onConnected: async ({ clients }: Context) => void (await clients.caller.invoke('Question', [])),
  });
  using socket = await RawSocket.join(server.url);
  assert.deepEqual(message(await socket.next()), {
    type: 7,
    error:
      'Connection closed with an error. InvalidOperationException: Client results inside OnConnectedAsync Hub methods are not allowed.',
  });
});

test('a call that waits for an answer lets the next one run, and only one, however often it asks', async () => {
  const gate = Promise.withResolvers<void>();
  const started: string[] = [];
  await using server = await start({
    methods: {
      async askTwice({ clients }) {
        const answers = ['one', 'two'].map((which) => clients.caller.invoke('Question', [which]));
        return (await Promise.all(answers)).join();
      },
      async hold() {
        started.push('hold');
        await gate.promise;
      },
      note: () => void started.push('note'),
    },
  });
  using a = await join(server.url);
  const call = (target: string): string => frame({ type: 1, invocationId: target, target, arguments: [] });
  a.socket.send(call('askTwice') + call('hold') + call('note'));
  const questions = [message(await a.socket.next()), message(await a.socket.next())];
  a.socket.send(questions.map(({ invocationId }, n) => answer(invocationId, { result: n })).join(''));
  assert.match(await a.socket.next(), /"invocationId":"askTwice","result":"0,1"/);
  assert.deepEqual(started, ['hold']);
  gate.resolve();
  assert.match(await a.socket.next(), /"invocationId":"hold"/);
  assert.match(await a.socket.next(), /"invocationId":"note"/);
});

test('an answer is read although an upload of the same call is full', async () => {
  await using server = await start({
    methods: {
      both: method({
        parameters: [upload()],
        async run({ clients }: Context, stream) {
          const answered = await clients.caller.invoke('Question', []);
          let count = 0;
          for await (const value of stream) count += value === 'x' ? 1 : 0;
          return `${String(answered)} ${count}`;
        },
      }),
    },
  });
  using a = await join(server.url);
  const items = frame({ type: 2, invocationId: 'u', item: 'x' }).repeat(50);
  a.socket.send(frame({ type: 1, invocationId: 'both', target: 'both', arguments: [], streamIds: ['u'] }) + items);
  const { invocationId } = message(await a.socket.next());
  a.socket.send(items + answer(invocationId, { result: 'yes' }) + answer('u', {}));
  assert.match(await a.socket.next(), /"result":"yes 100"/);
});

test('a client is asked no more than it may leave unanswered, by its own calls or by others', async () => {
  await using server = await start({ maximumPendingResults: 2 });
  using a = await join(server.url);
  using b = await join(server.url);
  const ask = (id: string): string => frame({ type: 1, invocationId: id, target: 'ask', arguments: [b.id, id] });
  const asked = async (by: string): Promise<unknown> => {
    const question = message(await b.socket.next());
    assert.deepEqual(question['arguments'], [by]);
    return question['invocationId'];
  };
  // The third call waits until one of the others is over.
  a.socket.send(ask('1') + ask('2') + ask('3'));
  const first = await asked('1');
  const second = await asked('2');
  b.socket.call('ask', b.id, 'one too many');
  const refused = failed('ask', 'HubException: At most 2 answers of a client may be awaited at a time.');
  assert.equal(message(await b.socket.next())['error'], refused);
  b.socket.send(answer(second, { result: 'b' }));
  assert.equal(message(await a.socket.next())['invocationId'], '2');
  const third = await asked('3');
  b.socket.send(answer(first, { result: 'a' }) + answer(third, { result: 'c' }));
  assert.deepEqual([message(await a.socket.next())['result'], message(await a.socket.next())['result']], ['a', 'c']);
  b.socket.call('ask', a.id, 'there is room again');
  assert.match(await a.socket.next(), /there is room again/);
});

test('the official client answers what its handler returns, and says so when there is none, or it fails', async () => {
  await using server = await start();
  const client = new HubConnectionBuilder().withUrl(server.url).configureLogging(LogLevel.None).build();
  await client.start();
  await assert.rejects(client.invoke('askMe'), { message: failed('askMe', "HubException: Client didn't provide a result.") });
  client.on('Question', async () => 'answer');
  assert.equal(await client.invoke('askMe'), 'answer');
  client.off('Question');
  client.on('question', () => {
    throw new TypeError('oh');
  });
  await assert.rejects(client.invoke('askMe'), { message: failed('askMe', 'HubException: TypeError: oh') });
  await client.stop();
});
