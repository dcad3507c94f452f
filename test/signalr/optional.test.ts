/** Arguments that clients may leave out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowAnybody, flag, Hub, int, method, optional, text, upload } from '../../src/signalr/index.ts';
import { startHubServer } from './hub-server.ts';
import { frame, RawSocket } from './raw-client.ts';

const handler = new Hub<undefined>({
  enableDetailedErrors: true,
  methods: {
    say: method({
      parameters: [text, optional(flag), optional(int)],
      run: (_context, ...args) => args.map((each) => each ?? '-'),
    }),
    // What may be left out stands before what may not: it has to be null there.
    last: method({ parameters: [optional(int), text], run: (_context, ...args) => args.map((each) => each ?? '-') }),
    total: method({
      parameters: [optional(int), upload(int)],
      async run(_context, scale = 10, numbers) {
        let sum = 0;
        for await (const n of numbers) sum += n;
        return sum * scale;
      },
    }),
  },
});

async function answers(...calls: readonly (readonly [string, ...unknown[]])[]): Promise<unknown[]> {
  await using server = await startHubServer({ handler, authenticate: allowAnybody });
  using socket = await RawSocket.join(server.url);
  const found: unknown[] = [];
  for (const [target, ...args] of calls) {
    socket.call(target, ...args);
    const { result, error }: { result?: unknown; error?: string } = JSON.parse(await socket.next());
    found.push(error ?? result);
  }
  return found;
}

test('what is optional may be left out at the end, or be null', async () => {
  assert.deepEqual(
    await answers(
      ['say', 'a'],
      ['say', 'a', true],
      ['say', 'a', null, 7],
      ['say', 'a', false, null],
      ['last', null, 'b'],
      ['last', 1, 'b'],
    ),
    [
      ['a', '-', '-'],
      ['a', true, '-'],
      ['a', '-', 7],
      ['a', false, '-'],
      ['-', 'b'],
      [1, 'b'],
    ],
  );
});

test('too few, too many and misfits are refused as ever', async () => {
  const texts = await answers(['say'], ['say', 'a', true, 7, 8], ['say', 'a', 'loud'], ['last', 1]);
  const reasons = texts.map((each) => /InvalidDataException: (.{19,30}?)[.(]/.exec(String(each))?.[1]);
  assert.deepEqual(reasons, [
    'Invocation provides 0 argument',
    'Invocation provides 4 argument',
    'Error binding arguments',
    'Invocation provides 1 argument',
  ]);
});

test('an upload behind one that is left out is in its place', async () => {
  await using server = await startHubServer({ handler, authenticate: allowAnybody });
  using socket = await RawSocket.join(server.url);
  for (const { args, total } of [
    { args: [], total: 30 },
    { args: [2], total: 6 },
  ]) {
    socket.send(frame({ type: 1, invocationId: '1', target: 'total', arguments: args, streamIds: ['s'] }));
    for (const item of [1, 2]) socket.send(frame({ type: 2, invocationId: 's', item }));
    socket.send(frame({ type: 3, invocationId: 's' }));
    assert.equal(await socket.next(), `{"type":3,"invocationId":"1","result":${total}}`);
  }
});
