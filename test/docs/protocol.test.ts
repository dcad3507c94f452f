import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startServer } from '../fixtures/server.ts';
import { blocksOf } from './blocks.ts';
import { Exchange, WEBHOOK_SECRET } from './exchange.ts';

const PAGE = 'PROTOCOL.md';
/** Longer than anything that a server still waits for when an exchange is over. */
const LONG_MS = 120_000;

const acme = { preset: 'standard-webhooks', secrets: [WEBHOOK_SECRET], transaction: '/data/reference' } as const;

const blocks = blocksOf(PAGE);
const exchanges = blocks.filter(({ language, name }) => language === 'text' && name.startsWith('exchange '));

/** The exchange as a real server plays it. */
async function play(lines: readonly string[]): Promise<string[]> {
  const clock = new ManualClock();
  const server = await startServer({ clock, drainSeconds: 1, webhooks: { acme } });
  try {
    using exchange = new Exchange({ server, clock });
    return await exchange.play(lines);
  } finally {
    const drained = server.drain();
    // Nothing but this turns the clock by which the drain goes.
    const turning = setInterval(() => clock.advance(LONG_MS), 5);
    await drained.finally(() => clearInterval(turning));
  }
}

test('every block of the page is an exchange that is played here, or types that are checked with those of the README', () => {
  assert.ok(exchanges.length >= 15, `only ${exchanges.length} exchanges were seen`);
  const others = blocks.filter((block) => !exchanges.includes(block)).map(({ language, line }) => ({ language, line }));
  assert.deepEqual(
    others.filter(({ language }) => language !== 'ts'),
    [],
  );
  assert.equal(new Set(exchanges.map(({ name }) => name)).size, exchanges.length, 'two exchanges have the same name');
});

for (const { name, code, line } of exchanges) {
  test(`the server says what the ${name} (${PAGE}:${line}) says that it says`, async () => {
    const lines = code.split('\n');
    assert.ok(
      lines.some((each) => each.includes(' ← ')),
      'the server says nothing in it',
    );
    assert.deepEqual(await play(lines), lines);
  });
}

test('an exchange that says something else than the server is found', async () => {
  const played = await play(['back end → POST /v1/transactions/txn_…/settle', 'back end ← 200 {"id":"txn_…","state":"open"}']);
  assert.equal(played[1], 'back end ← 200 {"id":"txn_…","state":"settled"}');
});

test('what the server says beyond an exchange is found', async () => {
  const sent = ['back end → POST /v1/transactions/txn_…/messages {"type":"paid","data":1}', 'back end ← 202 …'];
  const message =
    'page ← {"type":1,"target":"message","arguments":[{"id":"msg_…","sequence":1,"type":"paid","data":1,"time":"…"}]}␞';
  const played = await play([...sent, '— the page attaches', message]);
  assert.deepEqual(played.slice(4), ['page ← {"type":1,"target":"caughtUp","arguments":[{"sequence":1}]}␞']);
});
