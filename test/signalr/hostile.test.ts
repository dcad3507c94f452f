/** Clients that do what no client of ours would, and apps that do not expect it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Logger, silentLogger } from '../../src/logger.ts';
import { allowAnybody, Hub, type HubContext, type HubOptions, method, upload } from '../../src/signalr/index.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startHubServer } from './hub-server.ts';
import { frame, RawSocket } from './raw-client.ts';
import { cut, joinStateful, startStateful } from './stateful-server.ts';

async function start(methods: HubOptions<undefined>['methods'], options: Partial<HubOptions<undefined>> = {}) {
  const clock = new ManualClock();
  const handler = new Hub<undefined>({ clock, ...options, methods });
  const server = await startHubServer({ handler, authenticate: allowAnybody, clock });
  return { ...server, clock, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const call = (target: string, id: string, streamIds: readonly string[] = []): string =>
  frame({ type: 1, invocationId: id, target, arguments: [], streamIds });
const stream = (target: string, id: string): string => frame({ type: 4, invocationId: id, target, arguments: [] });

test('a stream whose id another call takes still ends with its connection', async () => {
  const ended = Promise.withResolvers<string>();
  await using server = await start({
    endless: {
      streaming: true,
      run: () => ({
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => undefined),
          return() {
            ended.resolve('ended');
            return Promise.resolve({ done: true, value: undefined });
          },
        }),
      }),
    },
    drink: method({ parameters: [upload()], run: ({ signal }) => once(signal, 'abort') }),
    echo: (_context, value) => value,
  });
  const socket = await RawSocket.join(server.url);
  socket.send(
    stream('endless', 'x') + call('drink', 'x', ['s']) + frame({ type: 1, invocationId: 'e', target: 'echo', arguments: [1] }),
  );
  assert.match(await socket.next(), /"result":1/);
  socket[Symbol.dispose]();
  assert.equal(await ended.promise, 'ended');
});

test('promises that the app has forgotten end nothing when their client leaves', async (t) => {
  const unhandled = t.mock.fn();
  process.on('unhandledRejection', unhandled);
  t.after(() => process.off('unhandledRejection', unhandled));
  const left = Promise.withResolvers<void>();
  await using server = await start(
    {
      forget: method({
        parameters: [upload()],
        async run({ clients, signal }, items) {
          void clients.caller.invoke('question', []);
          void items.next();
          await once(signal, 'abort');
        },
      }),
    },
    { onDisconnected: () => left.resolve() },
  );
  const socket = await RawSocket.join(server.url);
  socket.send(call('forget', '1', ['s']));
  assert.match(await socket.next(), /question/);
  socket[Symbol.dispose]();
  await left.promise;
  await setImmediate();
  assert.equal(unhandled.mock.callCount(), 0);
});

test('an authorization that does not say yes says no', async () => {
  const admins: Record<string, boolean> = {};
  const authorize = ({ connection }: HubContext<undefined>): boolean => Reflect.get(admins, connection.id);
  await using server = await start({ secret: { authorize, run: () => 'told' } });
  using socket = await RawSocket.join(server.url);
  socket.send(call('secret', '1'));
  assert.match(await socket.next(), /because user is unauthorized/);
});

test('the log tells that a connection has lost its socket, and that its client is back, without secrets', async (t) => {
  const info = t.mock.fn<Logger['info']>();
  await using server = await startStateful({ endpoint: { logger: { ...silentLogger, info } } });
  const { socket, url, connectionId } = await joinStateful(server.url);
  await cut(socket);
  await server.alone();
  using again = await RawSocket.open(url);
  assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
  assert.deepEqual(
    info.mock.calls.map(({ arguments: [fields] }) => fields),
    [
      { event: 'signalr.connection.suspended', connectionId },
      { event: 'signalr.connection.resumed', connectionId },
    ],
  );
});
