/** Streams in both directions: what is written, when it is pulled, and how they end. */
import assert from 'node:assert/strict';
import { EventEmitter, on, once } from 'node:events';
import { test } from 'node:test';
import { HttpTransportType, HubConnectionBuilder, LogLevel, Subject } from '@microsoft/signalr';
import { allowAnybody, Hub, type HubContext, HubError, type HubOptions, method, upload } from '../../src/signalr/index.ts';
import { startHubServer } from './hub-server.ts';
import { frame, RawSocket } from './raw-client.ts';

type Context = HubContext<undefined>;

const int = (value: unknown): number => {
  if (typeof value !== 'number') throw new TypeError('no number');
  return value;
};

async function start(methods: HubOptions<undefined>['methods'], options: Partial<HubOptions<undefined>> = {}) {
  return await startHubServer({ handler: new Hub<undefined>({ ...options, methods }), authenticate: allowAnybody });
}

function stream(target: string, id = '1', args: readonly unknown[] = []): string {
  return frame({ type: 4, invocationId: id, target, arguments: args });
}

const count = async function* (_context: Context, to: unknown) {
  for (let n = 0; n < Number(to); n++) yield n;
};

for (const transport of [HttpTransportType.WebSockets, HttpTransportType.LongPolling]) {
  test(`the official client streams down, up, and both, over ${HttpTransportType[transport]}`, async () => {
    await using server = await start({
      count,
      sum: method({
        parameters: [upload(int), int, upload(int)],
        async run(_context, first, from, second) {
          let sum = from;
          for (const items of [first, second]) for await (const item of items) sum += item;
          return sum;
        },
      }),
      double: method({
        parameters: [upload(int)],
        async *run(_context, items) {
          for await (const item of items) yield 2 * item;
        },
      }),
    });
    const client = new HubConnectionBuilder().withUrl(server.url, { transport }).configureLogging(LogLevel.None).build();
    await client.start();
    const all = (name: string, ...args: unknown[]): Promise<unknown[]> =>
      new Promise((resolve, reject) => {
        const items: unknown[] = [];
        client.stream(name, ...args).subscribe({
          next: (item) => void items.push(item),
          error: reject,
          complete: () => resolve(items),
        });
      });
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    assert.deepEqual(await all('count', 50), numbers);

    const [one, two, three] = [new Subject<number>(), new Subject<number>(), new Subject<number>()];
    // Of two streams side by side this client takes the second for an argument.
    const sum = client.invoke('sum', one, 1, two);
    for (const n of numbers) {
      two.next(n);
      one.next(n);
    }
    one.complete();
    two.complete();
    assert.equal(await sum, 1 + 49 * 50);

    const doubled = all('double', three);
    three.next(1);
    three.next(2);
    three.complete();
    assert.deepEqual(await doubled, [2, 4]);
    await client.stop();
  });
}

test('a stream is any iterable: generators of both kinds, arrays, a ReadableStream, promises of them', async () => {
  await using server = await start({
    *plain() {
      yield 1;
      yield undefined;
    },
    array: { streaming: true, run: () => [1, null] },
    readable: { streaming: true, run: () => ReadableStream.from([1, null]) },
    later: { streaming: true, run: async () => new Set([1, null]) },
  });
  using socket = await RawSocket.join(server.url);
  for (const name of ['plain', 'array', 'readable', 'later']) {
    socket.send(stream(name, name));
    assert.equal(await socket.next(), `{"type":2,"invocationId":"${name}","item":1}`);
    assert.equal(await socket.next(), `{"type":2,"invocationId":"${name}","item":null}`);
    assert.equal(await socket.next(), `{"type":3,"invocationId":"${name}"}`);
  }
});

const texts: Readonly<Record<string, { call: Readonly<Record<string, unknown>>; error: string; detailed?: string }>> = {
  'an unknown method': {
    call: { type: 4, target: 'nOpe' },
    error: "Failed to invoke 'nOpe' due to an error on the server. HubException: Method does not exist.",
  },
  'another number of arguments': {
    call: { target: 'up', arguments: [1, 2], streamIds: ['a'] },
    error: "Failed to invoke 'up' due to an error on the server.",
    detailed: ' InvalidDataException: Invocation provides 2 argument(s) but target expects 1.',
  },
  'a stream that is called plainly': {
    call: { target: 'count' },
    error: "The client attempted to invoke the streaming 'count' method with a non-streaming invocation.",
  },
  'a plain method that is called as a stream': {
    call: { type: 4, target: 'echo' },
    error: "The client attempted to invoke the non-streaming 'echo' method with a streaming invocation.",
  },
  'uploads where none are expected': {
    call: { target: 'echo', streamIds: ['a', 'b'] },
    error:
      "An unexpected error occurred invoking 'echo' on the server. HubException: Client sent 2 stream(s), Hub method expects 0.",
  },
  'no upload where one is expected': {
    call: { target: 'up', arguments: [1] },
    error:
      "An unexpected error occurred invoking 'up' on the server. HubException: Client sent 0 stream(s), Hub method expects 1.",
  },
  'one id for two uploads': {
    call: { target: 'two', streamIds: ['a', 'a'] },
    error: "An unexpected error occurred invoking 'two' on the server. HubException: Stream ID 'a' is already in use.",
  },
  'the id of an upload that is under way': {
    call: { target: 'up', arguments: [1], streamIds: ['used'] },
    error: "An unexpected error occurred invoking 'up' on the server. HubException: Stream ID 'used' is already in use.",
  },
  'no permission, before anything else is told': {
    call: { type: 4, target: 'secret' },
    error: "Failed to invoke 'secret' because user is unauthorized",
  },
  'a stream that is none': {
    call: { type: 4, target: 'none' },
    error: "The value returned by the streaming method 'none' is not a ChannelReader<> or IAsyncEnumerable<>.",
  },
  'a fault before there is a stream': {
    call: { type: 4, target: 'early' },
    error: "An unexpected error occurred invoking 'early' on the server.",
    detailed: ' TypeError: early',
  },
  'a fault in the stream': {
    call: { type: 4, target: 'late' },
    error: 'An error occurred on the server while streaming results.',
    detailed: ' TypeError: late',
  },
  'a fault that is for the client': {
    call: { type: 4, target: 'told' },
    error: 'An error occurred on the server while streaming results. HubException: told',
  },
  'an item that cannot be encoded': {
    call: { type: 4, target: 'cycle' },
    error: 'An error occurred on the server while streaming results.',
    detailed: ' TypeError: Converting circular structure to JSON',
  },
  'one stream too many': {
    call: { type: 4, target: 'count', arguments: [1] },
    error: "An unexpected error occurred invoking 'count' on the server. HubException: At most 2 streams may run at a time.",
  },
};

function faulty(ended: (what: string) => void): HubOptions<undefined>['methods'] {
  return {
    count,
    echo: (_context, value) => value,
    up: method({ parameters: [int, upload()], run: async (_context, _from, items) => void (await items.next()) }),
    two: method({ parameters: [upload(), upload()], run: () => undefined }),
    secret: { authorize: () => false, run: () => undefined },
    none: { streaming: true, run: () => 'text' },
    early: {
      streaming: true,
      run() {
        throw new TypeError('early');
      },
    },
    // eslint-disable-next-line require-yield
    *late() {
      throw new TypeError('late');
    },
    // eslint-disable-next-line require-yield
    async *told() {
      throw new HubError('told');
    },
    async *cycle() {
      const item: unknown[] = [];
      item.push(item);
      try {
        yield item;
      } finally {
        ended('cycle');
      }
    },
    forever: ({ signal }) => once(signal, 'abort'),
    held: {
      streaming: true,
      run: ({ signal }) => once(signal, 'abort').then(() => []),
    },
  };
}

for (const enableDetailedErrors of [false, true]) {
  for (const [what, { call, error, detailed }] of Object.entries(texts)) {
    test(`what a client hears of ${what}${enableDetailedErrors ? ', in detail' : ''}`, async () => {
      const ended: string[] = [];
      await using server = await start(
        faulty((name) => ended.push(name)),
        { enableDetailedErrors, maximumStreams: 2 },
      );
      using socket = await RawSocket.join(server.url);
      socket.send(frame({ type: 1, invocationId: '0', target: 'up', arguments: [0], streamIds: ['used'] }));
      if (what === 'one stream too many') socket.send(stream('held', 'held'));
      socket.send(frame({ type: 1, invocationId: '1', arguments: [], ...call }));
      const answer: unknown = JSON.parse(await socket.next());
      const text = error + (enableDetailedErrors ? (detailed ?? '') : '');
      if (!text.endsWith('JSON')) assert.deepEqual(answer, { type: 3, invocationId: '1', error: text });
      else assert.ok(JSON.stringify(answer).includes(text), 'the rest is the engine’s own text');
      socket.call('echo', 'goes on');
      assert.match(await socket.next(), /"result":"goes on"/);
      if (what.startsWith('an item')) assert.deepEqual(ended, ['cycle'], 'the stream was ended too');
    });
  }
}

test('the id of a running stream is refused to another stream; a plain call may have it; afterwards it is free', async () => {
  await using server = await start(
    faulty(() => undefined),
    { maximumStreams: 2 },
  );
  using socket = await RawSocket.join(server.url);
  socket.send(stream('held', 'y') + frame({ type: 5, invocationId: 'y' }));
  assert.equal(await socket.next(), '{"type":3,"invocationId":"y"}', 'it no longer counts');
  socket.send(stream('held', 'z'));
  socket.send(stream('held', 'x') + stream('count', 'x', [1]));
  assert.equal(await socket.next(), '{"type":3,"invocationId":"x","error":"Invocation ID \'x\' is already in use."}');
  socket.send(frame({ type: 1, invocationId: 'x', target: 'echo', arguments: ['plain'] }));
  assert.equal(await socket.next(), '{"type":3,"invocationId":"x","result":"plain"}');
  socket.send(frame({ type: 5, invocationId: 'x' }));
  assert.equal(await socket.next(), '{"type":3,"invocationId":"x"}');
  socket.send(stream('count', 'x', [1]));
  assert.equal(await socket.next(), '{"type":2,"invocationId":"x","item":0}');
  assert.equal(await socket.next(), '{"type":3,"invocationId":"x"}');
});

test('nothing is pulled that the client does not read', async () => {
  let pulled = 0;
  const payload = 'x'.repeat(8_192);
  await using server = await start({
    *flood() {
      for (; pulled < 4_000; pulled++) yield payload;
    },
  });
  using socket = await RawSocket.join(server.url);
  socket.webSocket.pause();
  socket.send(stream('flood'));
  // Until the system's own buffers are full, too.
  for (let before = -1; before !== pulled || pulled === 0;) {
    before = pulled;
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(pulled < 4_000, `all of it was pulled`);
  socket.webSocket.resume();
  for (let n = 0; n < 4_000; n++) assert.match(await socket.next(), /"type":2/);
  assert.equal(await socket.next(), '{"type":3,"invocationId":"1"}');
});

test('a canceled stream stops where it stands, whatever it is made of, and is completed without an error', async () => {
  const ended: string[] = [];
  const emitter = new EventEmitter();
  await using server = await start({
    async *signal({ signal, connection }) {
      yield 'first';
      try {
        await once(emitter, 'never', { signal });
      } finally {
        connection.send('stopped', signal.aborted);
      }
    },
    async *endless() {
      try {
        for (let n = 0; ; n++) {
          yield n;
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        ended.push('endless');
      }
    },
    events: {
      streaming: true,
      run() {
        setImmediate(() => emitter.emit('event', 'first'));
        return on(emitter, 'event');
      },
    },
    readable: {
      streaming: true,
      run: () =>
        new ReadableStream({
          start: (controller) => controller.enqueue('first'),
          cancel: () => void ended.push('readable'),
        }),
    },
    async *failing() {
      try {
        for (;;) yield await new Promise((resolve) => setImmediate(resolve, 'first'));
      } finally {
        ended.push('failing');
        // eslint-disable-next-line no-unsafe-finally
        throw new Error('on the way out');
      }
    },
  });
  using socket = await RawSocket.join(server.url);
  for (const name of ['signal', 'endless', 'events', 'readable', 'failing']) {
    socket.send(stream(name, name));
    assert.match(await socket.next(), /"type":2/);
    socket.send(frame({ type: 5, invocationId: name }));
    let last = '';
    do {
      last = await socket.next();
      if (last.includes('stopped')) assert.match(last, /"arguments":\[true\]/);
    } while (!last.includes('"type":3'));
    assert.equal(last, `{"type":3,"invocationId":"${name}"}`);
  }
  assert.equal(emitter.listenerCount('event'), 0);
  assert.deepEqual(ended, ['endless', 'readable', 'failing']);
});

test('a stream that is canceled before its turn never runs', async () => {
  const gate = Promise.withResolvers<void>();
  let hasRun = false;
  await using server = await start(
    {
      *run() {
        hasRun = true;
        yield 1;
      },
    },
    { onConnected: () => gate.promise },
  );
  using socket = await RawSocket.join(server.url);
  socket.send(stream('run') + frame({ type: 5, invocationId: '1' }) + stream('missing', '2'));
  assert.match(await socket.next(), /"invocationId":"2"/, 'both messages have been read');
  gate.resolve();
  assert.equal(await socket.next(), '{"type":3,"invocationId":"1"}');
  assert.equal(hasRun, false);
});

test('the end of a connection ends its streams: downloads stop, uploads fail, nobody is blamed', async () => {
  const lines: unknown[] = [];
  const note = (line: unknown): void => void lines.push(line);
  const logger = { debug: () => undefined, info: () => undefined, warn: note, error: note, child: () => logger };
  const down = Promise.withResolvers<void>();
  const up = Promise.withResolvers<unknown>();
  await using server = await start(
    {
      async *down() {
        try {
          for (;;) yield await new Promise((resolve) => setImmediate(resolve, 1));
        } finally {
          down.resolve();
        }
      },
      up: method({
        parameters: [upload()],
        async run(_context, items) {
          try {
            for await (const item of items) assert.equal(item, 'here');
          } catch (error) {
            up.resolve(error);
            throw error;
          }
        },
      }),
    },
    { logger },
  );
  const socket = await RawSocket.join(server.url);
  socket.send(frame({ type: 1, invocationId: 'u', target: 'up', arguments: [], streamIds: ['s'] }));
  socket.send(frame({ type: 2, invocationId: 's', item: 'here' }) + stream('down'));
  assert.match(await socket.next(), /"type":2/);
  socket.webSocket.terminate();
  await down.promise;
  const error = await up.promise;
  assert.ok(error instanceof Error);
  assert.equal(error.name, 'AbortError');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(lines, []);
});
