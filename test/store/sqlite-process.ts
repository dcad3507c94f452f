/**
 * A process of its own with a SQLite store, to be killed by tests: `sqlite-process.ts <file> <script>`. Prints one JSON line
 * for each thing that happened.
 */
import { once } from 'node:events';
import { mkdirSync, renameSync, rmdirSync, writeFileSync, writeSync } from 'node:fs';
import { RingbackError } from '../../src/errors.ts';
import { silentLogger } from '../../src/logger.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite.ts';
import type { IncomingEvent, NewMessage } from '../../src/store/store.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

const LIMITS = {
  openTransactions: 100,
  messagesPerTransaction: 100_000,
  mailboxBytes: 1e9,
  retentionMs: 1e9,
  parkedMessages: 1_000,
  parkMs: 1e9,
  dedupeMs: 1e9,
};

/** Not through a stream, which would lose lines when the process is killed. */
function print(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

function message(id: string, data = '1'): NewMessage {
  return { transactionId: 'a', id, type: 'note', data };
}

/** A transaction, but for its id. */
const NEW = { ttlMs: 1e9, token: { id: 'token', hash: 'hash' } };

function event(name: string, reference: string): IncomingEvent {
  return {
    source: 'acme',
    eventHash: `event-${name}`,
    recipient: { reference },
    id: `message-${name}`,
    type: 'paid',
    data: '1',
  };
}

async function append(store: SqliteStore, each: NewMessage): Promise<boolean> {
  try {
    const result = await store.append(each);
    print({ id: each.id, outcome: result.outcome, sequence: 'message' in result ? result.message.sequence : undefined });
    return true;
  } catch (error) {
    print({ id: each.id, error: error instanceof RingbackError ? error.code : String(error) });
    return false;
  }
}

interface Stage {
  readonly file: string;
  readonly clock: ManualClock;
}

const scripts: Record<string, (store: SqliteStore, stage: Stage) => Promise<void>> = {
  /** Does nothing until it is killed. */
  async hold() {
    setInterval(() => undefined, 60_000);
    await new Promise<never>(() => undefined);
  },

  /** Three messages that are answered, then three in one batch in which the probe strikes, then one more. */
  async batch(store) {
    for (const id of ['m1', 'm2', 'm3']) await append(store, message(id));
    await store.saveConnections({
      added: [{ id: 'connection', transactionId: 'a', node: 'n', transport: 'WebSockets', since: 1 }],
      removed: [],
    });
    for (const hash of ['bound', 'free']) await store.addTicket({ hash, transactionId: 'a', ttlMs: 1e9 });
    await store.bindTicket('bound', 'connection');
    writeFileSync(`${process.env['PROBE_TRACE']}.armed`, '');
    await Promise.all(['n1', 'n2', 'n3'].map((id) => append(store, message(id))));
    await append(store, message('o1'));
    print({ connections: (await store.transaction('a'))?.connections.length });
  },

  /** 64 callers with 20 messages each, two thirds of which are events, and half of these for nobody yet. */
  async group(store) {
    const call = async (_: unknown, caller: number): Promise<void> => {
      for (let index = 0; index < 20; index += 1) {
        const name = `m${caller}.${index}`;
        if (index % 3 === 0) await store.receive({ ...event(name, ''), recipient: { transactionId: 'a' } });
        else if (index % 3 === 1) await store.receive(event(name, name));
        else await store.append(message(name));
      }
    };
    await Promise.all(Array.from({ length: 64 }, call));
    print({ last: (await store.transaction('a'))?.lastSequence });
  },

  /** Two events that are answered, then in one batch two more, and the transaction for which one of each has waited. */
  async receive(store) {
    await store.open({ ...NEW, id: 'b', reference: 'r', token: { id: 'token', hash: 'hash-b' } });
    for (const name of ['1', '2']) print(await store.receive(event(name, name === '1' ? 'r' : 's')));
    writeFileSync(`${process.env['PROBE_TRACE']}.armed`, '');
    await Promise.all([
      store.receive(event('3', 'r')).then(print),
      store.receive(event('4', 's')).then(print),
      store.open({ ...NEW, id: 'c', reference: 's', token: { id: 'token', hash: 'hash-c' } }).then(print),
    ]);
  },

  /** The probe ends the worker while the file cannot be opened; later it can again. */
  async restart(store, stage) {
    await append(store, message('m1'));
    renameSync(stage.file, `${stage.file}.away`);
    mkdirSync(stage.file);
    writeFileSync(`${process.env['PROBE_TRACE']}.armed`, '');
    for (const id of ['n1', 'n2', 'n3']) await append(store, message(id));
    stage.clock.advance(100);
    await append(store, message('n4'));
    rmdirSync(stage.file);
    renameSync(`${stage.file}.away`, stage.file);
    stage.clock.advance(199);
    await append(store, message('n5'));
    stage.clock.advance(1);
    await append(store, message('o1'));
  },

  /** Writes until it cannot, waits for a line on standard input, and goes on. */
  async fill(store) {
    const data = JSON.stringify('x'.repeat(16_000));
    let index = 1;
    while (await append(store, message(`m${index}`, data))) index += 1;
    print({ readable: (await store.read('a', { after: 0, limit: 1000 }))?.messages.length });
    await once(process.stdin, 'data');
    process.stdin.destroy();
    await append(store, message(`m${index}`, data));
    print({ readable: (await store.read('a', { after: 0, limit: 1000 }))?.messages.length });
  },
};

const [, , file = '', name = ''] = process.argv;
try {
  const clock = new ManualClock(Date.now());
  const store = await SqliteStore.open({ file, limits: LIMITS, clock, logger: silentLogger });
  await store.open({ ...NEW, id: 'a' });
  print({ event: 'open' });
  await scripts[name]?.(store, { file, clock });
  await store[Symbol.asyncDispose]();
  print({ event: 'closed' });
} catch (error) {
  print({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
  process.exitCode = 1;
}
