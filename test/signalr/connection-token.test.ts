import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ConnectionTokens, type IssuedToken } from '../../src/signalr/protocol/connection-token.ts';

const key = randomBytes(32);
const a = new ConnectionTokens({ node: 'shop-a-1f', key });
const b = new ConnectionTokens({ node: 'b', key });

function issue(tokens: ConnectionTokens, version: number, user: string): IssuedToken {
  return tokens.issue({ random: randomBytes(16).toString('base64url'), version, user });
}

test('a token names its node, is safe in a URL, and is read by every other node', () => {
  const { token, connectionId } = issue(a, 1, 'ada');
  assert.match(token, /^[\w-]{55}\.shop-a-1f$/);
  assert.equal(encodeURIComponent(token), token);
  assert.deepEqual(b.readOther(token), { node: 'shop-a-1f', connectionId, isResumable: false });
  assert.match(connectionId, /^[\w-]{22}$/);
});

test('no two tokens and no two ids are the same', () => {
  const issued = Array.from({ length: 100 }, () => issue(a, 1, ''));
  assert.equal(new Set(issued.flatMap(({ token, connectionId }) => [token, connectionId])).size, 200);
});

test('with version 0 the id is the token, and a version cannot be changed', () => {
  const { token, connectionId } = issue(a, 0, '');
  assert.equal(connectionId, token);
  assert.deepEqual(b.readOther(token), { node: 'shop-a-1f', connectionId: token, isResumable: false });
  assert.equal(b.readOther(`${token.slice(0, 22)}1${token.slice(23)}`), undefined);
});

test('a token says whether its client may come back, which cannot be changed', () => {
  const facts = { random: randomBytes(16).toString('base64url'), version: 1, user: 'ada' };
  const [plain, resumable] = [a.issue(facts), a.issue({ ...facts, isResumable: true })];
  assert.deepEqual(b.readOther(resumable.token), {
    node: 'shop-a-1f',
    connectionId: resumable.connectionId,
    isResumable: true,
  });
  assert.equal(b.isFor(resumable.token, 'ada'), true);
  assert.equal(b.readOther(`${plain.token.slice(0, 22)}2${plain.token.slice(23)}`), undefined);
});

test('a node has nothing to read in its own tokens: what they name is in its table, or gone', () => {
  assert.equal(a.readOther(issue(a, 1, '').token), undefined);
});

test('a token with any character changed, or of another key, was made by nobody', () => {
  const { token } = issue(a, 1, 'ada');
  const changed = Array.from(
    token,
    (character, at) => token.slice(0, at) + (character === 'A' ? 'B' : 'A') + token.slice(at + 1),
  );
  assert.equal(changed.length, token.length);
  // The seal of the user is looked at where a user is known.
  const isUserSeal = (at: number): boolean => at >= 39 && at < 55;
  for (const [at, text] of changed.entries()) {
    if (isUserSeal(at)) assert.equal(b.isFor(text, 'ada'), false, text);
    else assert.equal(b.readOther(text), undefined, text);
  }
  const stranger = new ConnectionTokens({ node: 'shop-a-1f', key: randomBytes(32) });
  assert.equal(b.readOther(issue(stranger, 1, '').token), undefined);
  for (const text of ['', '.', 'x', token.slice(1), `${token}x`, `${token}.x`, `${token}\n`, token.replace('.', '..')])
    assert.equal(b.readOther(text), undefined, JSON.stringify(text));
});

test('a token is for the user that it was made for', () => {
  const { token } = issue(a, 1, 'ada');
  assert.equal(b.isFor(token, 'ada'), true);
  for (const other of ['', 'Ada', 'ada ', 'bob']) assert.equal(b.isFor(token, other), false, other);
});

test('a name that is not safe in a URL, or a short key, is refused', () => {
  for (const node of ['', 'a.b', 'a b', 'ä', 'x'.repeat(65)])
    assert.throws(() => new ConnectionTokens({ node, key }), { name: 'TypeError', message: /name of a node/ });
  assert.throws(() => new ConnectionTokens({ node: 'a', key: key.subarray(1) }), { name: 'TypeError', message: /32 bytes/ });
});
