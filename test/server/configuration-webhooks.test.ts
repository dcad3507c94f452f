import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ConfigurationError, parseConfiguration, resolveConfiguration } from '../../src/server/configuration.ts';

const BYTES = Buffer.from('canary-secret-of-24-byte');
const SECRET = `whsec_${BYTES.toString('base64')}`;
const SOURCE = { preset: 'standard-webhooks', secrets: [SECRET], transaction: '/data/reference', type: '/type' };

function fault(webhooks: unknown, environment: Record<string, string> = {}): string {
  try {
    resolveConfiguration({ flags: {}, environment, file: { name: 'r.json', content: { webhooks } } });
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    assert.doesNotMatch(error.message, /canary|whsec_Y2F/);
    return error.message;
  }
  assert.fail(`accepted ${inspect(webhooks)}`);
}

test('reads a source with secrets as texts and from the environment', () => {
  const content = { webhooks: { acme: { ...SOURCE, secrets: [SECRET, { env: 'ACME_OLD_SECRET' }] } } };
  const environment = { ACME_OLD_SECRET: SECRET.replace('whsec_', '') };
  const [source, ...others] = resolveConfiguration({ flags: {}, environment, file: { name: 'r.json', content } }).webhooks;
  assert.deepEqual(others, []);
  assert.deepEqual(
    [source?.name, source?.preset, source?.transaction, source?.type],
    ['acme', 'standard-webhooks', '/data/reference', '/type'],
  );
  assert.equal(source?.secrets.length, 2);
  for (const secret of source?.secrets ?? []) assert.deepEqual(secret.export(), BYTES);
});

test('no dump of a configuration shows a secret', () => {
  const configuration = parseConfiguration({ webhooks: { acme: SOURCE } });
  assert.equal(configuration.webhooks.length, 1);
  for (const dump of [inspect(configuration, { depth: 20, showHidden: true }), JSON.stringify(configuration)]) {
    assert.doesNotMatch(dump, /canary|Y2FuYXJ5/);
  }
});

test('the pointer to the type is that of the preset when it is left out', () => {
  const { type: _type, ...source } = SOURCE;
  assert.equal(parseConfiguration({ webhooks: { acme: source } }).webhooks[0]?.type, '/type');
});

const short = `whsec_${Buffer.from('canary').toString('base64')}`;
const wrong: readonly [string, unknown, RegExp][] = [
  [
    'an unknown key',
    { ...SOURCE, transactio: '/x' },
    /^webhooks\.acme\.transactio in r\.json: unknown key; did you mean "transaction"\?$/,
  ],
  [
    'an unknown preset',
    { ...SOURCE, preset: 'standard-webhoks' },
    /preset in r\.json: there is no preset "standard-webhoks"; did you mean "standard-webhooks"\?$/,
  ],
  ['no preset', { ...SOURCE, preset: undefined }, /^webhooks\.acme\.preset in r\.json: missing; expected the name of a preset$/],
  ['no secrets', { ...SOURCE, secrets: undefined }, /secrets in r\.json: missing; expected a list of 1 to 10 secrets$/],
  [
    'an empty list of secrets',
    { ...SOURCE, secrets: [] },
    /secrets in r\.json: expected a list of 1 to 10 secrets, got a list of 0$/,
  ],
  [
    'too many secrets',
    { ...SOURCE, secrets: Array(11).fill(SECRET) },
    /secrets in r\.json: expected a list of 1 to 10 secrets, got a list of 11$/,
  ],
  [
    'a secret outside a list',
    { ...SOURCE, secrets: SECRET },
    /secrets in r\.json: expected a list of 1 to 10 secrets, got a text$/,
  ],
  ['an empty secret', { ...SOURCE, secrets: [''] }, /secrets\[0\] in r\.json: the secret is empty$/],
  ['an empty secret after the prefix', { ...SOURCE, secrets: ['whsec_'] }, /secrets\[0\] in r\.json: the secret is empty$/],
  [
    'a short secret',
    { ...SOURCE, secrets: [SECRET, short] },
    /secrets\[1\] in r\.json: the secret has 6 bytes; expected at least 16$/,
  ],
  [
    'a secret that is not base64',
    { ...SOURCE, secrets: ['canary-in-plain-text!'] },
    /secrets\[0\] in r\.json: the secret is not base64/,
  ],
  [
    'a secret of another kind',
    { ...SOURCE, secrets: [7] },
    /secrets\[0\] in r\.json: expected whsec_ and then base64, or \{"env": "<variable>"\}$/,
  ],
  [
    'an unknown key of a secret',
    { ...SOURCE, secrets: [{ emv: 'X' }] },
    /secrets\[0\] in r\.json: unknown key "emv"; did you mean "env"\?$/,
  ],
  [
    'a variable that cannot be one',
    { ...SOURCE, secrets: [{ env: 'A B' }] },
    /secrets\[0\] in r\.json: expected the name of an environment variable/,
  ],
  ['no transaction', { ...SOURCE, transaction: undefined }, /transaction in r\.json: missing; expected a JSON pointer/],
  [
    'a transaction that is no pointer',
    { ...SOURCE, transaction: 'data' },
    /transaction in r\.json: expected a JSON pointer like \/data\/reference, got "data"$/,
  ],
  ['a pointer with a broken escape', { ...SOURCE, type: '/a~2b' }, /type in r\.json: expected a JSON pointer/],
  [
    'a pointer through what objects inherit',
    { ...SOURCE, transaction: '/data/__proto__/id' },
    /^webhooks\.acme\.transaction in r\.json: refused the step "__proto__"; expected a JSON pointer/,
  ],
  ['a pointer to a constructor', { ...SOURCE, type: '/constructor' }, /type in r\.json: refused the step "constructor"/],
  ['a pointer to a prototype', { ...SOURCE, type: '/a/prototype/b' }, /type in r\.json: refused the step "prototype"/],
  ['a pointer to the whole body', { ...SOURCE, transaction: '' }, /transaction in r\.json: expected a JSON pointer/],
  ['a secret in place of the source', SECRET, /^webhooks\.acme in r\.json: expected an object, got a text$/],
];
for (const [what, source, message] of wrong) {
  test(`stops the start for ${what}, naming it`, () => assert.match(fault({ acme: source }), message));
}

test('stops the start for a name that cannot be part of an address', () => {
  for (const name of ['a/b', '', '.a', 'a'.repeat(65), 'ä'])
    assert.match(fault({ [name]: SOURCE }), /the name of a source is 1 to 64 of the characters/);
});

test('stops the start for a source that the parser of objects would leave out', () => {
  const webhooks: unknown = JSON.parse(`{"__proto__":${JSON.stringify(SOURCE)}}`);
  assert.match(fault(webhooks), /^webhooks\.__proto__ in r\.json: the name of a source is 1 to 64 of the characters/);
  assert.throws(() => parseConfiguration({ webhooks }), /^ConfigurationError: webhooks\.__proto__: /);
});

test('takes pointers that only resemble what objects inherit', () => {
  const source = { ...SOURCE, transaction: '/constructors/x__proto__', type: '/Prototype' };
  assert.equal(parseConfiguration({ webhooks: { acme: source } }).webhooks[0]?.type, '/Prototype');
});

test('stops the start when webhooks are no object', () => {
  assert.match(fault([SOURCE]), /^webhooks in r\.json: expected an object of sources by name, got a list of 1$/);
});

test('names the variable that is missing, empty or wrong, and never its value', () => {
  const webhooks = { acme: { ...SOURCE, secrets: [{ env: 'ACME_SECRET' }] } };
  assert.match(fault(webhooks), /secrets\[0\] in r\.json: the environment variable ACME_SECRET is not set$/);
  assert.match(fault(webhooks, { ACME_SECRET: '' }), /ACME_SECRET is not set$/);
  assert.match(fault(webhooks, { ACME_SECRET: short }), /ACME_SECRET: the secret has 6 bytes; expected at least 16$/);
});

test('the library reads no environment: a secret by variable is refused', () => {
  process.env['RINGBACK_TEST_SECRET'] = SECRET;
  try {
    const webhooks = { acme: { ...SOURCE, secrets: [{ env: 'RINGBACK_TEST_SECRET' }] } };
    assert.throws(() => parseConfiguration({ webhooks }), /the library reads no environment \(RINGBACK_TEST_SECRET\)/);
  } finally {
    delete process.env['RINGBACK_TEST_SECRET'];
  }
});
