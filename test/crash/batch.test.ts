/** `kill -9` in the midst of a batch: all of its messages are there afterwards, or none, and the repeat gives the same. */
import assert from 'node:assert/strict';
import { rm, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BackEnd } from '../fixtures/back-end.ts';
import { ServerProcess, temporaryFolder } from '../fixtures/server.ts';

const KILLER = new URL('./killer.ts', import.meta.url).href;
const PATH = '/v1/messages:batch';
const MESSAGES = 300;

const points = [
  { name: 'inside the batch', channel: 'ringback:sqlite.inside-batch', hit: 1, isKept: false },
  { name: 'after the commit, before its answer', channel: 'ringback:sqlite.after-commit', hit: 1, isKept: true },
  { name: 'with half of its messages rung for', channel: 'ringback:send.committed', hit: MESSAGES / 2, isKept: true },
] as const;

interface Killed {
  readonly name: string;
  readonly isKept: boolean;
  /** Two, between which the messages take turns. */
  readonly transactions: readonly string[];
  readonly messages: readonly object[];
}

function messagesFor(transactions: readonly string[]): readonly object[] {
  return Array.from({ length: MESSAGES }, (_, index) => ({
    transaction: transactions[index % 2],
    type: 'note',
    data: { index },
    id: `message-${index}`,
  }));
}

/** By the successor of the process that was killed. */
async function verify(backEnd: BackEnd, { name, isKept, transactions, messages }: Killed): Promise<void> {
  for (const id of transactions)
    assert.equal((await backEnd.transaction(id)).lastSequence, isKept ? MESSAGES / 2 : 0, `killed ${name}`);
  for (const duplicate of [isKept, true]) {
    const { status, text } = await backEnd.call('POST', PATH, { json: { messages } });
    assert.equal(status, 200, text);
    const expected = messages.map((_, index) => ({
      id: `message-${index}`,
      sequence: Math.floor(index / 2) + 1,
      status: 'stored',
      duplicate,
    }));
    assert.deepEqual(JSON.parse(text), { results: expected }, `killed ${name}`);
  }
}

test('a batch whose process is killed is there with all of its messages or with none, and its repeat is answered alike', async () => {
  await using folder = await temporaryFolder();
  const note = join(folder.path, 'hit');
  const args = ['--port', '0', '--store', `sqlite:${join(folder.path, 'ringback.db')}`];
  let killed: Killed | undefined;
  for (const { name, channel, hit, isKept } of points) {
    const env = { CRASH_CHANNEL: channel, CRASH_HIT: String(hit), CRASH_FILE: note };
    await using server = await ServerProcess.start({ args, nodeArgs: [`--import=${KILLER}`], env });
    const { backEnd } = server;
    if (killed !== undefined) await verify(backEnd, killed);
    const transactions = [(await backEnd.open()).id, (await backEnd.open()).id];
    const messages = messagesFor(transactions);
    killed = { name, isKept, transactions, messages };
    await writeFile(`${note}.armed`, '');
    await assert.rejects(backEnd.call('POST', PATH, { json: { messages } }));
    assert.equal(await server.ended(), 'SIGKILL', server.stderr);
    assert.equal(await readFile(note, 'utf8'), `${channel} ${hit}\n`, `killed ${name}`);
    await Promise.all([rm(note), rm(`${note}.armed`)]);
  }
  await using last = await ServerProcess.start({ args });
  assert.ok(killed !== undefined);
  await verify(last.backEnd, killed);
  assert.equal(await last.stop(), 0);
});
