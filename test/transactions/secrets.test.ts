import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashSecret, looksLike, newId, newSecret } from '../../src/transactions/secrets.ts';

test('a hundred thousand ids and secrets are all different, of one length, and safe in a URL', () => {
  const ids = new Set(Array.from({ length: 100_000 }, () => newId('msg')));
  const secrets = new Set(Array.from({ length: 100_000 }, () => newSecret('ticket')));
  assert.equal(ids.size, 100_000);
  assert.equal(secrets.size, 100_000);
  // 144 and 256 random bits.
  for (const id of ids) assert.match(id, /^msg_[\w-]{24}$/);
  for (const secret of secrets) assert.match(secret, /^rbtk_[\w-]{43}$/);
});

test('a secret tells its kind, and its hash nothing', () => {
  const secret = newSecret('access-token');
  assert.ok(looksLike('access-token', secret) && !looksLike('ticket', secret));
  assert.match(hashSecret(secret), /^[\w-]{43}$/);
  // SHA-256 of "abc", FIPS 180-2 appendix B.1.
  assert.equal(
    Buffer.from(hashSecret('abc'), 'base64url').toString('hex'),
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});
