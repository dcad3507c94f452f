import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '../../src/client/index.ts';
import { expected, finish, start, take } from '../../src/client/reading.ts';
import type { Session } from '../../src/client/session.ts';

function newSession(log: readonly Message[] = [], done = 0): Session {
  return {
    opened: { id: 'txn_1', accessToken: 'token', hubUrl: '/hub' },
    options: {},
    state: 'connecting',
    life: new AbortController(),
    log: [...log],
    ids: log.map(({ id }) => id),
    done,
    handled: done,
    told: 0,
    queue: [],
    http: async () => true,
    tries: 0,
    stop: async () => undefined,
    watchers: new Set(),
    listeners: new Set(),
  };
}

function message(sequence: number, id = `msg_${sequence}`): Message {
  return { id, sequence, type: 'note', data: null, time: '2030-01-01T00:00:00.000Z' };
}

function ids({ log }: Session): string[] {
  return log.map(({ id }) => id);
}

test('messages in order are taken, doubled ones once', () => {
  const session = newSession();
  for (const sequence of [1, 2, 1, 2, 3, 3]) assert.equal(take(session, message(sequence)), true);
  assert.deepEqual(ids(session), ['msg_1', 'msg_2', 'msg_3']);
  assert.equal(finish(session, 0, 3), true);
});

test('a gap is not bridged: another reading is begun', () => {
  const session = newSession([message(1)]);
  assert.equal(take(session, message(3)), false);
  assert.deepEqual(ids(session), ['msg_1']);
  assert.equal(start(session), 0, 'with the last one that is here, to see that it is the same');
});

test('another message in the place of the last one means that all is read again; nothing that is the same is handled again', () => {
  const session = newSession([message(1), message(2), message(3)], 3);
  assert.equal(start(session), 2);
  assert.equal(take(session, message(3, 'other')), false);
  assert.deepEqual([start(session), session.done], [0, 3]);
  for (const next of [message(1), message(2, 'new'), message(3, 'other')]) assert.equal(take(session, next), true);
  assert.deepEqual([ids(session), session.done], [['msg_1', 'new', 'other'], 1]);
});

test('fewer messages than there were mean that all is read again, and the rest is gone', () => {
  const session = newSession([message(1), message(2), message(3)], 3);
  const least = expected(session);
  assert.equal(finish(session, least, 2), false);
  assert.equal(start(session), 0);
  const again = expected(session);
  for (const next of [message(1), message(2)]) assert.equal(take(session, next), true);
  assert.equal(finish(session, again, 2), true);
  assert.deepEqual([ids(session), session.done, session.handled], [['msg_1', 'msg_2'], 2, 0]);
});

test('what a poll has brought meanwhile does not look like a log that has become longer and shorter', () => {
  const session = newSession([message(1)], 1);
  const least = expected(session);
  take(session, message(2));
  session.done = 2;
  assert.equal(finish(session, least, 1), true);
  assert.deepEqual([ids(session), session.done], [['msg_1', 'msg_2'], 2]);
});
