/** Whose turn it is: the order in which calls of one client start and are answered, and how they learn that they should stop. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allowAnybody, Hub, type HubContext, type HubOptions } from '../../src/signalr/index.ts';
import { startHubServer } from './hub-server.ts';
import { frame, RawSocket } from './raw-client.ts';

type Context = HubContext<undefined>;

async function start(options: HubOptions<undefined>) {
  return await startHubServer({ handler: new Hub<undefined>(options), authenticate: allowAnybody });
}

const call = (target: string, id: string, ...args: readonly unknown[]): string =>
  frame({ type: target === 'stream' ? 4 : 1, invocationId: id, target, arguments: args });

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const kinds = fc.oneof(
  fc.record({ target: fc.constant('now') }),
  fc.record({ target: fc.constant('later'), takes: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ target: fc.constant('stream') }),
);

test('calls start in the order they came, as many at a time as allowed; one at a time, they are answered in it too', async () => {
  const course = fc.record({
    atOnce: fc.integer({ min: 1, max: 3 }),
    queued: fc.integer({ min: 1, max: 5 }),
    calls: fc.array(kinds, { minLength: 1, maxLength: 20 }),
    pieces: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
  });
  await fc.assert(
    fc.asyncProperty(course, async ({ atOnce, queued, calls, pieces }) => {
      const started: number[] = [];
      let running = 0;
      let most = 0;
      const begin = (n: unknown): void => {
        started.push(Number(n));
        most = Math.max(most, ++running);
      };
      await using server = await start({
        maximumParallelInvocations: atOnce,
        maximumQueuedInvocations: queued,
        methods: {
          now(_context, n) {
            begin(n);
            running--;
          },
          async later(_context, n, takes) {
            begin(n);
            await turns(Number(takes));
            running--;
          },
          stream: {
            streaming: true,
            run(_context, n) {
              started.push(Number(n));
              return [];
            },
          },
        },
      });
      using socket = await RawSocket.join(server.url);
      const bytes = Buffer.from(
        calls.map((each, n) => call(each.target, String(n), n, ...('takes' in each ? [each.takes] : []))).join(''),
      );
      for (let at = 0, piece = 0; at < bytes.length; piece++) {
        const length = pieces[piece % pieces.length] ?? 1;
        socket.send(bytes.subarray(at, at + length).toString());
        at += length;
      }
      const answered: number[] = [];
      while (answered.length < calls.length) answered.push(Number(JSON.parse(await socket.next()).invocationId));
      const all = calls.map((_, n) => n);
      assert.deepEqual(started, all);
      assert.ok(most <= atOnce, `${most} ran at once`);
      const inTurn = answered.filter((n) => calls[n]?.target !== 'stream');
      if (atOnce === 1)
        assert.deepEqual(
          inTurn,
          [...inTurn].sort((a, b) => a - b),
        );
    }),
    { numRuns: 60 },
  );
});

test('a cancellation reaches the call that it names, running or waiting, and no other', async () => {
  const seen: string[] = [];
  await using server = await start({
    methods: {
      async until({ signal }: Context, name) {
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        seen.push(`${String(name)} ${signal.aborted}`);
        return name;
      },
      look({ signal }: Context, name) {
        seen.push(`${String(name)} ${signal.aborted}`);
      },
    },
  });
  using socket = await RawSocket.join(server.url);
  const cancel = (id: string): string => frame({ type: 5, invocationId: id });
  socket.send(call('until', 'a', 'running') + call('until', 'b', 'waiting') + call('look', 'c', 'neither'));
  socket.send(cancel('b') + cancel('unknown') + cancel('a'));
  for (const id of ['a', 'b', 'c']) assert.match(await socket.next(), new RegExp(`"invocationId":"${id}"`));
  assert.deepEqual(seen, ['running true', 'waiting true', 'neither false']);
  socket.send(cancel('a') + call('look', 'a', 'again'));
  assert.match(await socket.next(), /"invocationId":"a"/);
  assert.equal(seen.at(-1), 'again false');
});

test('the end of a connection aborts the signals of its hooks and of the calls that run', async () => {
  const aborted: string[] = [];
  const ended = Promise.withResolvers<void>();
  const listen = (name: string, { signal }: Context): void =>
    signal.addEventListener('abort', () => void aborted.push(name), { once: true });
  await using server = await start({
    onConnected: (context) => listen('onConnected', context),
    onDisconnected({ signal }) {
      aborted.push(`onDisconnected ${signal.aborted}`);
      ended.resolve();
    },
    methods: {
      over(context) {
        listen('over', context);
        context.connection.signal.addEventListener('abort', () => void aborted.push('connection'));
      },
      async running(context) {
        listen('running', context);
        await ended.promise;
      },
      unlistened: () => undefined,
    },
  });
  const socket = await RawSocket.join(server.url);
  socket.send(call('over', '1') + call('unlistened', '2') + call('running', '3'));
  assert.match(await socket.next(), /"invocationId":"1"/);
  assert.match(await socket.next(), /"invocationId":"2"/);
  socket.webSocket.terminate();
  await ended.promise;
  assert.deepEqual(aborted, ['onConnected', 'connection', 'running', 'onDisconnected true']);
});

test('a signal that is asked for only after the end is aborted', async () => {
  const late = Promise.withResolvers<boolean>();
  await using server = await start({ methods: {}, onDisconnected: ({ signal }) => late.resolve(signal.aborted) });
  const socket = await RawSocket.join(server.url);
  socket.webSocket.terminate();
  assert.equal(await late.promise, true);
});
