import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { Stop } from '../../src/cli/serve/stop.ts';
import type { Logger } from '../../src/logger.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

/** Stands for `process`: signals come from the test, exits are kept. */
class Process extends EventEmitter {
  readonly channel = {};
  readonly exits: number[] = [];

  exit(code: number): void {
    this.exits.push(code);
  }
}

class Events implements Logger {
  readonly names: string[] = [];
  debug = this.#keep;
  info = this.#keep;
  warn = this.#keep;
  error = this.#keep;

  #keep(fields: object): void {
    this.names.push('event' in fields ? String(fields.event) : '');
  }
}

function setUp(): { clock: ManualClock; source: Process; logger: Events; stop: Stop } {
  const clock = new ManualClock();
  const source = new Process();
  const logger = new Events();
  const stop = new Stop({ drainSeconds: 10, clock, logger });
  stop.watch(source);
  return { clock, source, logger, stop };
}

for (const signal of ['SIGTERM', 'SIGINT', 'disconnect']) {
  test(`${signal} drains once and ends with 0`, async () => {
    const { source, logger, stop, clock } = setUp();
    let drains = 0;
    const code = stop.run(async () => void drains++);
    source.emit(signal);
    source.emit(signal);
    assert.equal(await code, 0);
    assert.deepEqual({ drains, exits: source.exits, pending: clock.pendingCount }, { drains: 1, exits: [], pending: 0 });
    assert.deepEqual(logger.names, ['process.stopping', 'process.stopped']);
  });
}

test('nothing is drained before a signal comes', async () => {
  const { stop, source } = setUp();
  let drains = 0;
  const code = stop.run(async () => void drains++);
  await new Promise(setImmediate);
  assert.equal(drains, 0);
  source.emit('SIGTERM');
  assert.equal(await code, 0);
});

test('a signal during the start drains as soon as the server runs', async () => {
  const { source, stop } = setUp();
  source.emit('SIGTERM');
  assert.equal(await stop.run(async () => undefined), 0);
});

test('signals within a second of the first are the same wish', () => {
  const { source, clock } = setUp();
  source.emit('SIGINT');
  clock.advance(999);
  source.emit('SIGINT');
  source.emit('SIGTERM');
  assert.deepEqual(source.exits, []);
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`a ${signal} a second after the first ends at once with ${code}`, () => {
    const { source, clock } = setUp();
    source.emit('SIGTERM');
    clock.advance(1000);
    assert.deepEqual(source.exits, []);
    source.emit(signal);
    assert.deepEqual(source.exits, [code]);
  });
}

test('the death of the parent never cuts a drain short', () => {
  const { source, clock } = setUp();
  source.emit('SIGTERM');
  clock.advance(5000);
  source.emit('disconnect');
  assert.deepEqual(source.exits, []);
});

test('a drain that fails ends with 1 and is logged', async () => {
  const { source, logger, stop } = setUp();
  source.emit('SIGTERM');
  assert.equal(await stop.run(() => Promise.reject(new Error('no'))), 1);
  assert.deepEqual(logger.names, ['process.stopping', 'process.drain_failed']);
});

test('a drain that hangs ends with 1 when its time and a grace are over', async () => {
  const { source, logger, stop, clock } = setUp();
  source.emit('SIGTERM');
  const code = stop.run(() => new Promise(() => undefined));
  await new Promise(setImmediate);
  assert.equal(clock.pendingCount, 1);
  clock.advance(11_000);
  assert.equal(await code, 1);
  assert.deepEqual(logger.names, ['process.stopping', 'process.drain_hung']);
});

test('without a channel nobody waits for a parent', () => {
  const source = new Process();
  new Stop({ drainSeconds: 10, clock: new ManualClock(), logger: new Events() }).watch({
    on: (event, listener) => source.on(event, listener),
    exit: (code) => source.exit(code),
  });
  assert.deepEqual(new Set(source.eventNames()), new Set(['SIGINT', 'SIGTERM']));
});

test('a drain that waits for a timer of ours, and for nothing else, is waited for', async () => {
  const script = `
    import { Stop } from ${JSON.stringify(new URL('../../src/cli/serve/stop.ts', import.meta.url).href)};
    import { systemClock } from ${JSON.stringify(new URL('../../src/clock.ts', import.meta.url).href)};
    import { silentLogger } from ${JSON.stringify(new URL('../../src/logger.ts', import.meta.url).href)};
    const stop = new Stop({ drainSeconds: 10, clock: systemClock, logger: silentLogger });
    stop.watch({ on: (event, listener) => event === 'SIGTERM' && listener(), exit: () => undefined });
    process.exitCode = 7;
    process.exitCode = await stop.run(() => new Promise((resolve) => systemClock.after(50, resolve)));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  await once(child, 'close');
  assert.equal(child.exitCode, 0, said);
});
