/** What contract-types.ts shows the compiler, at run time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubConnectionBuilder, LogLevel, Subject } from '@microsoft/signalr';
import { createHub, flag, int, listOf, method, number, text, type TypedConnection, upload } from '../../src/signalr/index.ts';
import { startHubServer } from './hub-server.ts';

interface Chat {
  server: {
    join(room: string): void;
    say(room: string, text: string): number;
    count(to: number): AsyncIterable<number>;
    total(scale: number, numbers: AsyncIterable<number>): number;
    secret(): string;
  };
  client: {
    said(room: string, text: string): void;
    confirm(question: string): boolean;
  };
}

interface User {
  readonly name: string;
}

const chat = createHub<Chat, User, { rooms: number }>({
  userOf: ({ principal }) => principal.name,
  methods: {
    join: method({
      parameters: [text],
      async run({ connection, groups }, room) {
        connection.items = { rooms: (connection.items?.rooms ?? 0) + 1 };
        await groups.add(connection.id, room);
      },
    }),
    say: method({
      parameters: [text, text],
      async run({ connection, clients }, room, line) {
        if (!(await clients.caller.invoke('confirm', [`say ${line}?`]))) return 0;
        await clients.group(room).send('said', room, line);
        return connection.items?.rooms ?? 0;
      },
    }),
    async *count(_context, to) {
      for (let n = 0; n < Number(to); n++) yield n;
    },
    total: method({
      parameters: [int, upload(int)],
      async run(_context, scale, numbers) {
        let sum = 0;
        for await (const n of numbers) sum += n;
        return sum * scale;
      },
    }),
    secret: method({ parameters: [], authorize: ({ connection }) => connection.userId === 'ada', run: () => 'xyzzy' }),
  },
});

async function connect(url: string): Promise<TypedConnection<Chat>> {
  const connection: TypedConnection<Chat> = new HubConnectionBuilder().withUrl(url).configureLogging(LogLevel.None).build();
  connection.on('confirm', (question) => question !== 'say nothing?');
  await connection.start();
  return connection;
}

test('a hub with a contract serves the official client: calls, groups, results, streams, uploads, refusals', async () => {
  await using server = await startHubServer({
    handler: chat,
    authenticate({ url }) {
      const name = url.searchParams.get('user');
      return name === null ? { status: 401 } : { principal: { name } };
    },
  });
  await assert.rejects(connect(server.url), { message: /401/ });
  const ada = await connect(`${server.url}?user=ada`);
  const bob = await connect(`${server.url}?user=bob`);

  const said = new Promise((resolve) => bob.on('said', (...args) => resolve(args)));
  await bob.invoke('join', 'hall');
  assert.equal(await ada.invoke('say', 'hall', 'nothing'), 0);
  assert.equal(await bob.invoke('say', 'hall', 'hello'), 1);
  assert.deepEqual(await said, ['hall', 'hello']);

  const counted: number[] = [];
  await new Promise<void>((resolve, reject) =>
    ada.stream('count', 3).subscribe({ next: (n) => counted.push(n), error: reject, complete: resolve }),
  );
  assert.deepEqual(counted, [0, 1, 2]);
  const numbers = new Subject<number>();
  const total = ada.invoke('total', 10, numbers);
  for (const n of [1, 2, 3]) numbers.next(n);
  numbers.complete();
  assert.equal(await total, 60);

  assert.equal(await ada.invoke('secret'), 'xyzzy');
  await assert.rejects(bob.invoke('secret'), { message: /because user is unauthorized$/ });
  const outside = new Promise((resolve) => ada.on('said', (...args) => resolve(args)));
  await chat.clients.user('ada').send('said', 'hall', 'from a webhook');
  assert.deepEqual(await outside, ['hall', 'from a webhook']);
  await Promise.all([ada.stop(), bob.stop()]);
});

test('ready parameters let through what they are for, and nothing else', () => {
  const values = ['x', '', 1, 1.5, 2 ** 53, Infinity, NaN, true, null, undefined, [], ['x'], [1], {}];
  for (const [parameter, fitting] of [
    [text, ['x', '']],
    [number, [1, 1.5, 2 ** 53]],
    [int, [1]],
    [flag, [true]],
    [listOf(text), [[], ['x']]],
  ] as const) {
    const passed = values.flatMap((value) => {
      try {
        return [parameter(value)];
      } catch {
        return [];
      }
    });
    assert.deepEqual(passed, fitting);
  }
});
