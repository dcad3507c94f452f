/** A disk that does not take any more: senders are told to come again, pages stay, and it goes on by itself afterwards. */
import assert from 'node:assert/strict';
import { chmod, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { SentView } from '../../src/server/wire.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import { request, type Answer } from '../fixtures/http-api.ts';
import { Page } from '../fixtures/page.ts';
import { ServerProcess, temporaryFolder } from '../fixtures/server.ts';
import { headerOf, member, type WireAnswer } from '../http/wire-client.ts';
import { deliver, event, webhooks } from '../webhooks/delivery.ts';
import { obstacles, SmallDisk, SURVIVE_LIMIT } from './obstacles.ts';

/** More than the log of a store has room for that was allocated before. */
const MOST_SENDS = 2_000;
const PATIENCE_MS = 20_000;
const LETTER = 'x'.repeat(10_000);

/** Where nothing tells of the change that is waited for. */
async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < end, `waited in vain for ${isSo.toString()}`);
    await setTimeout(20);
  }
}

function send(backEnd: BackEnd, id: string, key: string): Promise<Answer> {
  const options = { headers: { 'idempotency-key': key }, json: { type: 'note', data: LETTER } };
  return backEnd.call('POST', `/v1/transactions/${id}/messages`, options);
}

function assertUnavailable(answer: Answer): void {
  assert.equal(answer.status, 503, answer.text);
  assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
  assert.equal(JSON.parse(answer.text).code, 'store_unavailable');
}

function assertWebhookUnavailable(answer: WireAnswer): void {
  assert.equal(answer.status, 503, answer.text);
  assert.match(headerOf(answer, 'retry-after') ?? '', /^\d+$/);
  assert.equal(member(answer.body, 'code'), 'store_unavailable');
}

for (const { name, create } of obstacles) {
  test(`when ${name}, senders get 503, pages stay, reads go on; when it is over, so does all else`, async (t) => {
    await using parent = await temporaryFolder();
    using obstacle = create(parent.path);
    if (obstacle === undefined) return t.skip('this machine, or this user, cannot do that');
    const store = `sqlite:${join(obstacle.folder, 'ringback.db')}`;
    await using settings = await temporaryFolder();
    const configuration = join(settings.path, 'ringback.json');
    await writeFile(configuration, JSON.stringify({ webhooks }));
    const args = ['--port', '0', '--store', store, '--config', configuration];
    await using server = await ServerProcess.start({ args, nodeArgs: [SURVIVE_LIMIT] });
    const { backEnd } = server;
    const opened = await backEnd.open({ reference: 'order-7' });
    const tell = (reference: string): Promise<WireAnswer> => deliver(server.url, event(reference), { id: reference });
    await using socket = await Page.open({ ...opened, transport: 'WebSockets' });
    await using poll = await Page.open({ ...opened, transport: 'LongPolling' });
    const first: SentView = JSON.parse((await send(backEnd, opened.id, 'key-0')).text);
    await Promise.all([socket.untilMessages(1), poll.untilMessages(1)]);
    const { connections } = await backEnd.transaction(opened.id);
    assert.equal(connections.length, 2);

    obstacle.block(server);
    const answers: Answer[] = [];
    while (answers.at(-1)?.status !== 503) {
      answers.push(await send(backEnd, opened.id, `key-${answers.length + 1}`));
      assert.ok(answers.length < MOST_SENDS, 'it cannot be blocked');
    }
    const refused = answers.length;
    assertUnavailable(await send(backEnd, opened.id, `key-${refused}`));
    const letters = ['one', 'two'].map((letter) => ({ transaction: opened.id, type: 'note', data: LETTER, id: letter }));
    assertUnavailable(await backEnd.call('POST', '/v1/messages:batch', { json: { messages: letters } }));
    assertUnavailable(await backEnd.call('POST', '/v1/transactions', { json: {} }));
    assertUnavailable(await backEnd.call('GET', '/health/ready'));
    for (const reference of ['order-7', 'nobody']) assertWebhookUnavailable(await tell(reference));
    const negotiated = await request('POST', `${opened.hubUrl}/negotiate?negotiateVersion=1`, { bearer: opened.accessToken });
    assert.equal(negotiated.status, 503, 'a ticket has to be written');
    assert.match(negotiated.headers.get('retry-after') ?? '', /^\d+$/);
    assert.equal((await backEnd.call('GET', '/health/live')).status, 200);
    await socket.ack(1, 'seen in hard times');
    const { lastSequence, messages } = await backEnd.messages(opened.id, 0, 1_000);
    assert.equal(lastSequence, refused, 'what was answered 202 is there, and nothing else');
    assert.deepEqual(
      messages.map(({ sequence }) => sequence),
      Array.from({ length: refused }, (_, index) => index + 1),
    );
    assert.equal((await backEnd.transaction(opened.id)).lastSequence, refused);
    assert.equal((await backEnd.receipt(opened.id, first.id)).sequence, 1);

    obstacle.unblock(server);
    await eventually(async () => (await backEnd.call('GET', '/health/ready')).status === 200);
    await eventually(async () => (await backEnd.receipt(opened.id, first.id)).status === 'handled');
    assert.equal((await backEnd.receipt(opened.id, first.id)).reply, 'seen in hard times');
    const again = await send(backEnd, opened.id, `key-${refused}`);
    assert.equal(again.status, 202, again.text);
    assert.deepEqual(
      [JSON.parse(again.text).sequence, JSON.parse(again.text).duplicate],
      [refused + 1, false],
      'no sequence was burnt',
    );
    for (const page of [socket, poll]) {
      await page.untilMessages(refused + 1);
      assert.deepEqual(
        page.sequences,
        Array.from({ length: refused + 1 }, (_, index) => index + 1),
      );
      assert.equal(
        page.calls.some((call) => call.name === 'end'),
        false,
        'the page has stayed',
      );
    }
    for (const [index, answer] of answers.slice(0, -1).entries()) assert.equal(JSON.parse(answer.text).sequence, index + 2);
    await socket.ack(refused + 1);
    // What the provider was not answered like success is new when it comes again.
    assert.equal((await tell('order-7')).status, 200);
    await socket.untilMessages(refused + 2);
    assert.equal((await tell('nobody')).status, 200);
    assert.equal((await backEnd.messages((await backEnd.open({ reference: 'nobody' })).id)).lastSequence, 1);
    await poll.untilMessages(refused + 2);
    assert.deepEqual((await backEnd.transaction(opened.id)).connections, connections);
    assert.equal(await server.stop(), 0, server.stderr);
    assert.doesNotMatch(server.stderr, /signalr.request.failed/);
  });
}

test('a file that cannot be written at the start ends it with 1, naming the file', async (t) => {
  await using parent = await temporaryFolder();
  using disk = SmallDisk.create(parent.path);
  const folder = disk?.folder ?? parent.path;
  const file = join(folder, 'ringback.db');
  const args = ['--port', '0', '--store', `sqlite:${file}`];
  await using server = await ServerProcess.start({ args });
  await server.backEnd.open();
  assert.equal(await server.stop(), 0);
  if (disk !== undefined) disk.makeReadOnly();
  else await chmod(file, 0o400);
  t.diagnostic(disk === undefined ? 'by its mode' : 'by its disk');
  await assert.rejects(ServerProcess.start({ args }), (error: Error) => {
    assert.match(error.message, /^ended with 1: /);
    assert.ok(error.message.includes(file), error.message);
    return true;
  });
});

test('one process has a file: a second ends at once with 1, naming it, until the first is dead', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'ringback.db');
  const link = join(folder.path, 'other-name.db');
  const args = ['--port', '0', '--store', `sqlite:${file}`];
  const firstBegun = performance.now();
  await using first = await ServerProcess.start({ args });
  // However slow this machine is just now.
  const startMs = performance.now() - firstBegun;
  const opened = await first.backEnd.open();
  const sent = await first.backEnd.send(opened.id, { data: 1 });
  await symlink(file, link);
  for (const other of [file, link]) {
    const begun = performance.now();
    await assert.rejects(ServerProcess.start({ args: ['--port', '0', '--store', `sqlite:${other}`] }), (error: Error) => {
      assert.match(error.message, /^ended with 1: /);
      assert.ok(error.message.includes(other), error.message);
      return true;
    });
    assert.ok(performance.now() - begun < 2 * startMs + 1_000, 'it does not wait for the lock');
  }
  assert.equal((await first.backEnd.receipt(opened.id, sent.id)).sequence, 1, 'the first goes on');
  assert.equal(await first.stop('SIGKILL'), 'SIGKILL');
  await using third = await ServerProcess.start({ args });
  assert.equal((await third.backEnd.receipt(opened.id, sent.id)).sequence, 1);
});
