/** Streams of the client: what waits where, what stops the reading, and what never may. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowAnybody, Hub, type HubMethod, type HubOptions, method, upload } from '../../src/signalr/index.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startHubServer } from './hub-server.ts';
import { frame, RawSocket } from './raw-client.ts';

type Methods = Record<string, HubMethod<undefined>>;

async function start(methods: Methods, options: Partial<HubOptions<undefined>> = {}) {
  const clock = new ManualClock();
  const handler = new Hub<undefined>({ clock, ...options, methods });
  const server = await startHubServer({ handler, authenticate: allowAnybody, clock });
  return { ...server, clock, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const call = (target: string, ...streamIds: readonly string[]): string =>
  frame({ type: 1, invocationId: target, target, arguments: [], streamIds });
const item = (id: string, value: unknown): string => frame({ type: 2, invocationId: id, item: value });
const items = (id: string, count: number): string => Array.from({ length: count }, (_, n) => item(id, n)).join('');
const complete = (id: string): string => frame({ type: 3, invocationId: id });
const ping = frame({ type: 6 });

/** Passes what comes to the method and counts it. */
class Counter {
  count = 0;
  #awaited = 0;
  #reached = Promise.withResolvers<void>();

  readonly parameter = (value: unknown): unknown => {
    this.count++;
    if (this.count === this.#awaited) this.#reached.resolve();
    return value;
  };

  async reaches(count: number): Promise<void> {
    this.#awaited = count;
    this.#reached = Promise.withResolvers();
    if (this.count < count) await this.#reached.promise;
  }
}

/** What the server can do meanwhile, it has done. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Reads all of them, one after the other. */
const sum = (first: Counter, second = first): HubMethod<undefined> =>
  method({
    parameters: [upload(first.parameter), upload(second.parameter)],
    async run(_context, ...uploads) {
      let total = 0;
      for (const stream of uploads) for await (const value of stream) total += Number(value);
      return total;
    },
  });

test('a method that does not read its upload stops the reading of its client, until it does', async () => {
  const gate = Promise.withResolvers<void>();
  const counter = new Counter();
  await using server = await start({
    late: method({
      parameters: [upload(counter.parameter)],
      async run(_context, stream) {
        await gate.promise;
        return await all(stream);
      },
    }),
  });
  using socket = await RawSocket.join(server.url);
  socket.send(call('late', 's') + items('s', 100));
  await counter.reaches(10);
  await turns();
  assert.equal(counter.count, 10, 'as many as uploadBufferItems');
  socket.send(complete('s'));
  gate.resolve();
  assert.deepEqual(JSON.parse(await socket.next()), {
    type: 3,
    invocationId: 'late',
    result: Array.from({ length: 100 }, (_, n) => n),
  });
});

test('the bound of bytes stops the reading as that of items does', async () => {
  const counter = new Counter();
  await using server = await start(
    { late: method({ parameters: [upload(counter.parameter)], run: ({ signal }) => stopped(signal) }) },
    { uploadBufferBytes: 1_000, uploadBufferItems: 1_000 },
  );
  using socket = await RawSocket.join(server.url);
  socket.send(call('late', 's') + Array.from({ length: 20 }, () => item('s', 'x'.repeat(300))).join(''));
  await counter.reaches(3);
  await turns();
  assert.equal(counter.count, 3);
});

test('many uploads of one client have the bound of bytes in common, and go on when they are read', async () => {
  const gate = Promise.withResolvers<void>();
  const counter = new Counter();
  const late: HubMethod<undefined> = method({
    parameters: [upload(counter.parameter)],
    async run(_context, stream) {
      await gate.promise;
      return (await all(stream)).length;
    },
  });
  await using server = await start({ late }, { uploadBufferBytes: 1_000 });
  using socket = await RawSocket.join(server.url);
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const begin = (id: string): string => frame({ type: 1, invocationId: id, target: 'late', arguments: [], streamIds: [id] });
  socket.send(ids.map((id) => begin(id) + item(id, 'x'.repeat(300)) + complete(id)).join(''));
  await counter.reaches(3);
  await turns();
  assert.equal(counter.count, 3);
  gate.resolve();
  for (const id of ids) assert.deepEqual(JSON.parse(await socket.next()), { type: 3, invocationId: id, result: 1 });
});

async function all(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of stream) values.push(value);
  return values;
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
}

test('two uploads of one call do not block each other, in whatever order they come', async () => {
  const [first, second] = [new Counter(), new Counter()];
  await using server = await start({ sum: sum(first, second) });
  using socket = await RawSocket.join(server.url);
  socket.send(call('sum', 'a', 'b') + items('b', 500));
  await second.reaches(500);
  socket.send(items('a', 500) + complete('b') + complete('a'));
  assert.match(await socket.next(), new RegExp(`"result":${499 * 500}}`));
});

test('an upload that nobody reads while its call waits for another fails at the bound of bytes, and the call goes on', async () => {
  const outcome: unknown[] = [];
  await using server = await start(
    {
      both: method({
        parameters: [upload(), upload()],
        async run(_context, first, second) {
          outcome.push((await all(first)).length);
          try {
            for await (const value of second) outcome.push(value);
          } catch (error) {
            outcome.push(String(error));
          }
        },
      }),
    },
    { uploadBufferBytes: 100 },
  );
  using socket = await RawSocket.join(server.url);
  socket.send(call('both', 'a', 'b') + items('b', 10) + items('a', 5) + complete('a'));
  assert.match(await socket.next(), /"result":null/);
  assert.deepEqual(outcome, [5, 0, 1, 2, 'HubException: More than 100 bytes of streams wait to be read.']);
});

test('an upload that has ended is nothing to wait for: the next one stops the reading', async () => {
  const gate = Promise.withResolvers<void>();
  const [first, second] = [new Counter(), new Counter()];
  await using server = await start({
    both: method({
      parameters: [upload(first.parameter), upload(second.parameter)],
      async run(_context, one, two) {
        await all(one);
        await gate.promise;
        return (await all(two)).length;
      },
    }),
  });
  using socket = await RawSocket.join(server.url);
  socket.send(call('both', 'a', 'b') + item('a', 1));
  await first.reaches(1);
  await turns();
  socket.send(complete('a') + items('b', 50) + complete('b'));
  await second.reaches(10);
  await turns();
  assert.equal(second.count, 10);
  gate.resolve();
  assert.match(await socket.next(), /"result":50/);
});

test('an upload that nobody reads yet holds up no others before it is full', async () => {
  const counter = new Counter();
  await using server = await start({
    sum: sum(counter),
    idle: method({ parameters: [upload()], run: ({ signal }) => stopped(signal) }),
  });
  using socket = await RawSocket.join(server.url);
  socket.send(call('idle', 'i') + call('sum', 'a', 'b') + items('i', 9) + items('a', 30) + complete('a') + complete('b'));
  assert.match(await socket.next(), /"result":435}/);
});

test('a call that stands still for 30 s with a full upload is no reason not to hear its cancellation, or pings', async () => {
  const counter = new Counter();
  await using server = await start({
    stuck: method({
      parameters: [upload(counter.parameter)],
      async run({ signal }) {
        await stopped(signal);
        return 'canceled';
      },
    }),
    echo: (_context, value) => value,
  });
  using socket = await RawSocket.join(server.url);
  socket.send(ping + call('stuck', 's') + items('s', 50) + frame({ type: 5, invocationId: 'stuck' }));
  await counter.reaches(10);
  await turns();
  server.clock.advance(29_000);
  await turns();
  assert.equal(counter.count, 10);
  server.clock.advance(2_000);
  let answer = await socket.next();
  while (answer === '{"type":6}') answer = await socket.next();
  assert.match(answer, /"result":"canceled"/);
  assert.equal(counter.count, 50);
  socket.call('echo', 'still here');
  assert.match(await socket.next(), /"still here"/);
  // The next one has its 30 s again.
  socket.send(call('stuck', 's') + items('s', 50));
  await counter.reaches(60);
  await turns();
  assert.equal(counter.count, 60);
});

test('a method that reads slowly is given all the time it needs', async () => {
  const counter = new Counter();
  const steps: (() => void)[] = [];
  await using server = await start({
    slow: method({
      parameters: [upload(counter.parameter)],
      async run(_context, stream) {
        for await (const value of stream) {
          assert.ok(Number(value) >= 0);
          await new Promise<void>((resolve) => void steps.push(resolve));
        }
      },
    }),
  });
  using socket = await RawSocket.join(server.url);
  socket.send(call('slow', 's') + items('s', 100));
  await counter.reaches(11);
  // Room is made only after five more.
  for (let step = 0; step < 4; step++) {
    server.clock.advance(20_000);
    await turns();
    steps[step]?.();
    await turns();
  }
  assert.equal(steps.length, 5);
  assert.equal(counter.count, 11);
});

test('a queue that stands still for 30 s lets cancellations through, and refuses calls that do not fit', async () => {
  await using server = await start(
    {
      async stuck({ signal }) {
        await stopped(signal);
      },
      note: (_context, value) => value,
    },
    { maximumQueuedInvocations: 2 },
  );
  using socket = await RawSocket.join(server.url);
  const note = (n: number): string => frame({ type: 1, invocationId: String(n), target: 'note', arguments: [n] });
  socket.send(frame({ type: 1, invocationId: 's', target: 'stuck', arguments: [] }) + note(1) + note(2) + note(3));
  socket.send(frame({ type: 5, invocationId: 's' }));
  await turns();
  server.clock.advance(31_000);
  const answers: string[] = [];
  while (answers.length < 5) {
    const answer = await socket.next();
    if (answer !== '{"type":6}') answers.push(answer);
    if (answers.length === 4) socket.send(note(4));
  }
  assert.deepEqual(answers, [
    `{"type":3,"invocationId":"3","error":"An unexpected error occurred invoking 'note' on the server. HubException: Too many calls of this client wait for their turn."}`,
    '{"type":3,"invocationId":"s","result":null}',
    '{"type":3,"invocationId":"1","result":1}',
    '{"type":3,"invocationId":"2","result":2}',
    '{"type":3,"invocationId":"4","result":4}',
  ]);
});

test('what comes for uploads that are unknown, over, failed or left is ignored', async () => {
  const outcome: string[] = [];
  const even = (value: unknown): number => {
    if (typeof value !== 'number' || value % 2 !== 0) throw new TypeError('odd');
    return value;
  };
  await using server = await start(
    {
      idle: method({ parameters: [upload()], run: ({ signal }) => stopped(signal) }),
      first: method({ parameters: [upload(even)], run: async (_context, stream) => (await stream.next()).value }),
      leave: method({
        parameters: [upload(even)],
        async run(_context, stream) {
          for await (const value of stream) if (value === 2) break;
          return (await stream.next()).done;
        },
      }),
      all: method({
        parameters: [upload(even)],
        async run(_context, stream) {
          try {
            for await (const value of stream) outcome.push(String(value));
          } catch (error) {
            outcome.push(String(error));
          }
        },
      }),
    },
    { enableDetailedErrors: true },
  );
  using socket = await RawSocket.join(server.url);
  socket.send(call('idle', 'i') + items('nobody', 3) + complete('nobody') + call('first', 's') + item('s', 2));
  assert.match(await socket.next(), /"invocationId":"first","result":2/);
  socket.send(item('s', 4) + item('s', 'odd') + complete('s') + call('leave', 's') + items('s', 1) + item('s', 2) + item('s', 4));
  assert.match(await socket.next(), /"invocationId":"leave","result":true/);
  socket.send(call('all', 't') + item('t', 2) + item('t', 3) + item('t', 4) + complete('t'));
  assert.match(await socket.next(), /"invocationId":"all","result":null/);
  socket.send(call('all', 't') + item('t', 6) + frame({ type: 3, invocationId: 't', error: 'gone wrong' }) + item('t', 8));
  assert.match(await socket.next(), /"invocationId":"all","result":null/);
  assert.deepEqual(outcome, [
    '2',
    'HubException: Failed to bind Stream message. TypeError: odd',
    '6',
    'HubException: gone wrong',
  ]);
});

test('items that come before their call has its turn wait for it', async () => {
  const gate = Promise.withResolvers<void>();
  await using server = await start({ sum: sum(new Counter()) }, { onConnected: () => gate.promise });
  using socket = await RawSocket.join(server.url);
  socket.send(call('sum', 'a', 'b') + items('a', 4) + complete('a') + items('b', 4) + complete('b') + call('missing'));
  assert.match(await socket.next(), /"invocationId":"missing"/);
  gate.resolve();
  assert.match(await socket.next(), /"result":12/);
});
