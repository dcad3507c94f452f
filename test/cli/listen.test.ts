import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunningCommand } from './command.ts';
import { FakeServer, type FakePage } from './fake-server.ts';

const TOKEN = 'canary-access-token';

function listen(fake: FakeServer, ...options: string[]): RunningCommand {
  return new RunningCommand(['listen', 'txn_1', '--token', TOKEN, '--url', fake.url, ...options]);
}

/** Collects what happens at the hub, for a test to wait for and to look at. */
class Hub {
  readonly pages: FakePage[] = [];
  readonly acks: number[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(fake: FakeServer, { onAttached, onAck }: Partial<FakeServer['script']> = {}) {
    fake.script = {
      onAttached: (page) => {
        this.pages.push(page);
        onAttached?.(page);
        this.#changed();
      },
      onAck: (page, sequence, id) => {
        this.acks.push(sequence);
        if (onAck === undefined) page.complete(id);
        else onAck(page, sequence, id);
        this.#changed();
      },
    };
  }

  async page(index: number): Promise<FakePage> {
    for (;;) {
      const page = this.pages[index];
      if (page !== undefined) return page;
      await this.#wake.promise;
    }
  }

  async acked(sequence: number): Promise<void> {
    while (!this.acks.includes(sequence)) await this.#wake.promise;
  }

  async ackCount(count: number): Promise<void> {
    while (this.acks.length < count) await this.#wake.promise;
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

function sequences(command: RunningCommand): number[] {
  return command.lines.map((line) => JSON.parse(line).sequence);
}

test('prints each message as one line, acks it, and ends with 0 when the transaction is settled', async () => {
  await using fake = await FakeServer.start();
  const hub = new Hub(fake, {
    onAttached(page) {
      page.message(1, 'a');
      page.message(2, 'b');
      page.send('caughtUp', { sequence: 2 });
      page.send('closed', { reason: 'settled' });
    },
  });
  await using command = listen(fake);
  const { code, stdout, stderr } = await command.end;
  assert.equal(code, 0, stderr);
  assert.equal(
    stdout,
    '{"id":"msg_1","sequence":1,"type":"a","data":{"n":1},"time":"2026-01-01T00:00:00.000Z"}\n' +
      '{"id":"msg_2","sequence":2,"type":"b","data":{"n":2},"time":"2026-01-01T00:00:00.000Z"}\n',
  );
  assert.equal(hub.acks.at(-1), 2);
  assert.equal(hub.pages[0]?.after, null);
  assert.doesNotMatch(stdout + stderr, new RegExp(TOKEN));
  const [request] = fake.requests;
  assert.equal(`${request?.method} ${request?.url}`, 'GET /v1/transactions/txn_1');
  assert.equal(request?.headers.authorization, `Bearer ${TOKEN}`);
});

test('waits for the ack of what is left before it ends on a settled transaction', async () => {
  await using fake = await FakeServer.start();
  const pending: (() => void)[] = [];
  const hub = new Hub(fake, {
    onAttached(page) {
      page.message(1);
      page.send('closed', { reason: 'expired' });
    },
    onAck: (page, _sequence, id) => void pending.push(() => page.complete(id)),
  });
  await using command = listen(fake);
  await hub.acked(1);
  assert.equal(command.child.exitCode, null);
  pending[0]?.();
  assert.equal((await command.end).code, 0);
});

for (const [reason, text] of [
  ['revoked', 'the access token was revoked'],
  ['forgotten', 'the transaction is forgotten'],
]) {
  test(`ends with 1 when the server closes with ${reason}`, async () => {
    await using fake = await FakeServer.start();
    new Hub(fake, { onAttached: (page) => page.send('closed', { reason }) });
    await using command = listen(fake);
    const { code, stderr } = await command.end;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`ringback: ${text}`));
  });
}

test('ends with 1 when the API refuses the token', async () => {
  await using fake = await FakeServer.start();
  fake.answers = [{ status: 401, body: '{"code":"unauthorized","title":"A valid credential is required."}' }];
  await using command = listen(fake);
  const { code, stdout, stderr } = await command.end;
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, /the access token is not, or no longer, good for this transaction/);
});

test('ends with 1 when the hub refuses the token of a connection that comes back', async () => {
  await using fake = await FakeServer.start();
  const hub = new Hub(fake);
  await using command = listen(fake);
  const page = await hub.page(0);
  fake.negotiateStatus = 401;
  page.drop();
  const { code, stderr } = await command.end;
  assert.equal(code, 1);
  assert.match(stderr, /no longer, good/);
});

test('goes on at its own position after a drop, prints nothing twice, and repeats its ack', async () => {
  await using fake = await FakeServer.start();
  let acksToLose = 1;
  const hub = new Hub(fake, {
    onAttached(page) {
      if (page.after === null) {
        page.message(1);
        page.message(2);
      } else {
        page.message(2);
        page.message(3);
      }
      page.send('caughtUp', { sequence: 3 });
    },
    onAck(page, _sequence, id) {
      if (acksToLose-- > 0) page.drop();
      else page.complete(id);
    },
  });
  await using command = listen(fake);
  await command.line(2);
  await hub.acked(3);
  assert.deepEqual(sequences(command), [1, 2, 3]);
  assert.equal(hub.pages.length, 2);
  const after = Number(hub.pages[1]?.after);
  assert.ok(after >= 1 && after <= 3, `after=${hub.pages[1]?.after}`);
});

test('acks its position again after attaching, when only the ack was lost', async () => {
  await using fake = await FakeServer.start();
  const hub = new Hub(fake, {
    onAttached(page) {
      if (page.after === null) page.message(1);
      page.send('caughtUp', { sequence: 1 });
    },
    onAck(page, _sequence, id) {
      if (hub.pages.length === 1) page.drop();
      else page.complete(id);
    },
  });
  await using command = listen(fake);
  await hub.page(1);
  await command.line();
  await hub.ackCount(2);
  assert.deepEqual(hub.acks, [1, 1]);
  assert.deepEqual(sequences(command), [1]);
});

test('a reader that has seen no message goes on where it was told that it had caught up', async () => {
  await using fake = await FakeServer.start();
  const hub = new Hub(fake);
  await using command = listen(fake);
  const page = await hub.page(0);
  page.send('caughtUp', { sequence: 7 });
  page.close();
  assert.equal((await hub.page(1)).after, '7');
  assert.deepEqual(command.lines, []);
});

test('--after begins behind that message', async () => {
  await using fake = await FakeServer.start();
  const hub = new Hub(fake);
  await using command = listen(fake, '--after', '5');
  assert.equal((await hub.page(0)).after, '5');
  assert.deepEqual(command.lines, []);
});

test('prints what a restored server has under sequences it knew, by their ids', async () => {
  await using fake = await FakeServer.start();
  const hub = new Hub(fake, {
    onAttached(page) {
      page.message(1, 'note', 'new_1');
      page.message(2, 'note', 'new_2');
      page.send('caughtUp', { sequence: 2, reset: true });
    },
  });
  await using command = listen(fake, '--after', '9');
  await hub.acked(2);
  assert.deepEqual(sequences(command), [1, 2]);
  (await hub.page(0)).drop();
  assert.equal((await hub.page(1)).after, '2');
});

test('--once ends with 0 after the first message of that type was printed and acked, and prints nothing after it', async () => {
  await using fake = await FakeServer.start();
  const hub = new Hub(fake, {
    onAttached(page) {
      for (const [index, type] of ['a', 'paid', 'b'].entries()) page.message(index + 1, type);
    },
  });
  await using command = listen(fake, '--once', 'paid');
  const { code, stderr } = await command.end;
  assert.equal(code, 0, stderr);
  assert.deepEqual(sequences(command), [1, 2]);
  assert.equal(hub.acks.at(-1), 2);
});

test('--once whose ack was lost acks again on the next connection before it ends', async () => {
  await using fake = await FakeServer.start();
  const hub = new Hub(fake, {
    onAttached(page) {
      if (page.after === null) page.message(1, 'paid');
      else page.message(2, 'paid');
      page.send('caughtUp', { sequence: 2 });
    },
    onAck(page, _sequence, id) {
      if (hub.pages.length === 1) page.drop();
      else page.complete(id);
    },
  });
  await using command = listen(fake, '--once', 'paid');
  const { code, stderr } = await command.end;
  assert.equal(code, 0, stderr);
  assert.deepEqual(sequences(command), [1]);
  assert.deepEqual(hub.acks, [1, 1]);
});

test('--once ends with 1 when the transaction ends without such a message', async () => {
  await using fake = await FakeServer.start();
  new Hub(fake, {
    onAttached(page) {
      page.message(1, 'a');
      page.send('closed', { reason: 'settled' });
    },
  });
  await using command = listen(fake, '--once', 'paid');
  const { code, stderr } = await command.end;
  assert.equal(code, 1);
  assert.deepEqual(sequences(command), [1]);
  assert.match(stderr, /the transaction is settled; no message of the type "paid" came/);
});

test('keeps trying while there is no server, and says so', async () => {
  const fake = await FakeServer.start();
  await using command = listen(fake);
  await fake[Symbol.asyncDispose]();
  await command.until(() => (command.stderr.match(/trying again in/g) ?? []).length >= 3, 'the third attempt');
  assert.equal(command.child.exitCode, null);
});

for (const [signal, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} ends it with ${expected}, after what was printed is acked`, async () => {
    await using fake = await FakeServer.start();
    const hub = new Hub(fake, { onAttached: (page) => page.message(1) });
    await using command = listen(fake);
    await command.line();
    command.child.kill(signal);
    assert.equal((await command.end).code, expected);
    assert.deepEqual(hub.acks, [1]);
  });
}

test('SIGINT ends it while it waits for the next attempt', async () => {
  const fake = await FakeServer.start();
  await fake[Symbol.asyncDispose]();
  await using command = new RunningCommand(['listen', 'txn_1', '--token', TOKEN, '--url', 'http://127.0.0.1:1']);
  await command.until(() => command.stderr.includes('trying again'), 'the first attempt');
  command.child.kill('SIGINT');
  assert.equal((await command.end).code, 130);
});

test('a message that could not be printed is not acked, and ends it with 1', async () => {
  await using fake = await FakeServer.start();
  const hub = new Hub(fake);
  await using command = listen(fake);
  const page = await hub.page(0);
  command.child.stdout?.destroy();
  page.message(1);
  const { code, stderr } = await command.end;
  assert.equal(code, 1);
  assert.match(stderr, /stdout was closed/);
  assert.deepEqual(hub.acks, []);
});

test('the token can come from RINGBACK_TOKEN, which no process list shows', async () => {
  await using fake = await FakeServer.start();
  new Hub(fake, { onAttached: (page) => page.send('closed', { reason: 'settled' }) });
  await using command = new RunningCommand(['listen', 'txn_1', '--url', fake.url], { environment: { RINGBACK_TOKEN: TOKEN } });
  assert.equal((await command.end).code, 0);
  assert.equal(fake.requests[0]?.headers.authorization, `Bearer ${TOKEN}`);
});
