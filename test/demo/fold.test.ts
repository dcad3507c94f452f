/** What the pages of the demo make of what they are told: the outcome of a payment, and the timeline. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { durationText, gapText } from '../../ui/shop/clock-text.ts';
import type { OrderTrace, TracedMessage } from '../../ui/shop/order.ts';
import { paymentOf } from '../../ui/shop/payment.ts';
import { stepsOf, wayOf } from '../../ui/shop/timeline.ts';

const messageOf = (type: string, i = 0) => ({ id: `msg_${i}`, sequence: i + 1, type, data: { reason: type }, time: '' });

test('the outcome is the same whatever the order and however often messages come', () => {
  const types = ['payment.authorised', 'payment.declined', 'payment.captured', 'something.else'];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...types)), fc.func(fc.integer()), (all, key) => {
      const messages = all.map(messageOf);
      const shuffled = messages.toSorted((a, b) => key(a.id) - key(b.id));
      const twice = messages.flatMap((message) => [message, message]);
      const { outcome } = paymentOf(messages);
      assert.equal(paymentOf(shuffled).outcome, outcome);
      assert.equal(paymentOf(twice).outcome, outcome);
      const expected = { 'payment.captured': 'paid', 'payment.declined': 'declined', 'payment.authorised': 'authorised' };
      const highest = Object.entries(expected).find(([type]) => all.includes(type))?.[1];
      assert.equal(outcome, highest ?? 'waiting');
    }),
  );
});

test('a declined payment says why, and can still be paid', () => {
  assert.deepEqual(paymentOf([messageOf('payment.declined')]), { outcome: 'declined', reason: 'payment.declined' });
  assert.deepEqual(paymentOf([messageOf('payment.declined'), messageOf('payment.captured')]), { outcome: 'paid' });
  assert.deepEqual(paymentOf([{ ...messageOf('payment.declined'), data: null }]), { outcome: 'declined' });
});

const at = (ms: number): string => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();

function trace(messages: readonly Partial<TracedMessage>[], createdAt: string | null = at(0)): OrderTrace {
  const transaction = createdAt === null ? null : { id: 'txn_1', state: 'open' as const, createdAt, connections: [] };
  const all = messages.map((message, i) => ({
    ...messageOf('payment.captured', i),
    status: 'stored' as const,
    attempts: 0,
    ...message,
  }));
  return { order: '', item: { name: '', detail: '' }, amount: 1, currency: 'EUR', transaction, messages: all };
}

test('the timeline tells all steps from the start, those to come last', () => {
  const kinds = (...args: Parameters<typeof stepsOf>) =>
    stepsOf(...args).map(({ kind, gapMs, at: time }) => (time === undefined ? `${kind} to come` : `${kind} ${gapMs ?? '-'}`));
  const whole = ['received to come', 'delivered to come', 'handled to come'];
  assert.deepEqual(kinds(undefined, undefined), ['opened to come', 'connected to come', ...whole]);
  const connection = { at: at(40), transport: 'WebSockets' };
  assert.deepEqual(kinds(trace([]), connection), ['opened -', 'connected 40', ...whole]);
  const stored = { time: at(100), deliveredAt: at(103) };
  assert.deepEqual(kinds(trace([stored]), connection), [
    'opened -',
    'connected 40',
    'received 60',
    'delivered 3',
    'handled to come',
  ]);
  const handled = { ...stored, handledAt: at(110), status: 'handled' as const };
  assert.equal(kinds(trace([handled]), connection).at(-1), 'handled 7');
  assert.equal(wayOf(trace([handled, stored])), 10);
  assert.equal(wayOf(trace([stored])), undefined);
});

test('a webhook that came before its page stands before it; a delivery never before its message', () => {
  const early = { time: at(-5_000), deliveredAt: at(50), handledAt: at(60), status: 'handled' as const };
  const steps = stepsOf(trace([early]), { at: at(40), transport: 'WebSockets' });
  assert.deepEqual(
    steps.map(({ kind }) => kind),
    ['received', 'opened', 'connected', 'delivered', 'handled'],
  );
  const [received, delivered] = stepsOf(trace([{ time: at(10), deliveredAt: at(4) }], null), undefined);
  assert.deepEqual([received?.kind, delivered?.kind, delivered?.gapMs], ['received', 'delivered', 0]);
});

test('a message that the page could not handle says so', () => {
  const failed = { time: at(10), deliveredAt: at(11), status: 'failed' as const, error: 'no paper' };
  const last = stepsOf(trace([failed]), undefined).find(({ kind }) => kind === 'failed');
  assert.equal(last?.detail, 'no paper');
});

test('durations are written as people read them', () => {
  const texts = [0, 0.4, 3, 999, 1_000, 12_345, 65_000, 3_600_000 * 2 + 60_000].map(durationText);
  assert.deepEqual(texts, ['< 1 ms', '< 1 ms', '3 ms', '999 ms', '1.00 s', '12.35 s', '1 min 5 s', '2 h 1 min']);
  assert.deepEqual([gapText(0), gapText(3)], ['< 1 ms', '+3 ms']);
});
