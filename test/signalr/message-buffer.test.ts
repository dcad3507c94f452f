import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MessageBuffer } from '../../src/signalr/session/message-buffer.ts';
import { SequenceError } from '../../src/signalr/session/sequence-error.ts';

type Item = { readonly data: string } | { readonly ack: number } | { readonly sequence: number };

/** One end of a connection that may break. */
class End {
  readonly buffer = new MessageBuffer();
  readonly sent: string[] = [];
  readonly processed: string[] = [];
  /** On its way to the other end. */
  line: Item[] = [];

  send(data: string): void {
    this.sent.push(data);
    this.buffer.keep(data);
  }

  /** As many as the transport takes. */
  pass(count: number): void {
    for (let n = 0; n < count; n++) {
      const data = this.buffer.next();
      if (data === undefined) return;
      this.line.push({ data: String(data) });
    }
  }

  acknowledge(): void {
    const ack = this.buffer.takeAcknowledgement();
    if (ack !== undefined) this.line.push({ ack });
  }

  /** What was on its way is lost. */
  restart(): void {
    this.line = [{ sequence: this.buffer.restart() }];
  }

  take(item: Item): void {
    if ('sequence' in item) this.buffer.renumber(item.sequence);
    else if ('ack' in item) this.buffer.acknowledge(item.ack);
    else if (this.buffer.receive()) this.processed.push(item.data);
  }
}

type Step = readonly ['send' | 'pass' | 'arrive', 0 | 1, number] | readonly ['acknowledge', 0 | 1] | readonly ['break'];

const side = fc.constantFrom(0 as const, 1 as const);
/** So that what is on its way at a break is now this, now that. */
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.tuple(fc.constant('send' as const), side, fc.integer({ min: 1, max: 3 })) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('pass' as const), side, fc.integer({ min: 1, max: 4 })) },
    { weight: 4, arbitrary: fc.tuple(fc.constant('arrive' as const), side, fc.integer({ min: 1, max: 3 })) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('acknowledge' as const), side) },
    { weight: 1, arbitrary: fc.constant(['break'] as const) },
  ),
  { maxLength: 80, size: 'max' },
);

function run(ends: readonly [End, End], [what, at, count = 0]: Step): void {
  if (at === undefined) {
    for (const end of ends) end.restart();
    return;
  }
  const end = ends[at];
  switch (what) {
    case 'send':
      for (let n = 0; n < count; n++) end.send(`${at}:${end.sent.length}`);
      break;
    case 'pass':
      end.pass(count);
      break;
    case 'arrive':
      for (const item of end.line.splice(0, count)) ends[1 - at]?.take(item);
      break;
    case 'acknowledge':
      end.acknowledge();
      break;
    default:
  }
}

/** Until nothing is left to do. */
function settle(ends: readonly [End, End]): void {
  for (const act of ['pass', 'arrive', 'acknowledge', 'arrive'] as const) {
    for (const at of [0, 1] as const) run(ends, act === 'acknowledge' ? [act, at] : [act, at, Infinity]);
  }
}

test('wherever it breaks, every message is processed exactly once and in order, and nothing stays in the buffers', () => {
  fc.assert(
    fc.property(steps, (script) => {
      const ends = [new End(), new End()] as const;
      for (const step of script) {
        run(ends, step);
        for (const [at, end] of ends.entries()) {
          const other = ends[1 - at]?.sent ?? [];
          assert.deepEqual(end.processed, other.slice(0, end.processed.length));
        }
      }
      settle(ends);
      for (const [at, end] of ends.entries()) {
        assert.deepEqual(end.processed, ends[1 - at]?.sent);
        assert.equal(end.buffer.bytes, 0);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('bytes are those of UTF-8, or of the array', () => {
  const buffer = new MessageBuffer();
  buffer.keep('ü😀');
  assert.equal(buffer.bytes, 6);
  buffer.keep(new Uint8Array(10));
  assert.equal(buffer.bytes, 16);
});

test('an acknowledgement of what was never sent is refused, an old one is no news', () => {
  const buffer = new MessageBuffer();
  for (const upTo of [1, 0, -1]) assert.throws(() => buffer.acknowledge(upTo), SequenceError);
  buffer.keep('a');
  buffer.keep('b');
  buffer.next();
  buffer.next();
  assert.throws(() => buffer.acknowledge(3), { message: "Ack ID greater than amount of messages we've sent." });
  assert.equal(buffer.acknowledge(2), true);
  assert.equal(buffer.acknowledge(2), false);
  assert.equal(buffer.acknowledge(1), false);
  assert.equal(buffer.restart(), 3);
});

test('a Sequence that leaves a gap, or is not positive, is refused and changes nothing', () => {
  const buffer = new MessageBuffer();
  assert.equal(buffer.receive(), true);
  const gap = "Sequence ID greater than amount of messages we've received.";
  assert.throws(() => buffer.renumber(3), { name: 'InvalidOperationException', message: gap });
  for (const next of [0, -1, Number.MIN_SAFE_INTEGER]) assert.throws(() => buffer.renumber(next), SequenceError);
  assert.equal(buffer.receive(), true);
  assert.equal(buffer.takeAcknowledgement(), 2);
});

test('a client that breaks off while it repeats itself may go on behind what has come', () => {
  const buffer = new MessageBuffer();
  for (let n = 0; n < 5; n++) buffer.receive();
  buffer.renumber(1);
  assert.equal(buffer.receive(), false);
  buffer.renumber(6);
  assert.equal(buffer.receive(), true);
});

test('what was acknowledged before the new transport has got it goes out all the same, so that the count is right', () => {
  const buffer = new MessageBuffer();
  for (const message of ['a', 'b', 'c']) buffer.keep(message);
  while (buffer.next() !== undefined);
  assert.equal(buffer.restart(), 1);
  assert.equal(buffer.next(), 'a');
  buffer.acknowledge(2);
  assert.deepEqual([buffer.next(), buffer.next(), buffer.next()], ['b', 'c', undefined]);
  assert.equal(buffer.bytes, 1);
  assert.equal(buffer.restart(), 3);
});
