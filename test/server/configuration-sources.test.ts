import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { configurationDocument, documentFile } from '../../scripts/write-configuration-doc.ts';
import {
  configurationFileName,
  namedOptions,
  resolveConfiguration,
  type ConfigurationSources,
} from '../../src/server/configuration.ts';

function resolve(sources: Partial<ConfigurationSources>): ReturnType<typeof resolveConfiguration> {
  return resolveConfiguration({ flags: {}, environment: {}, ...sources });
}

function fault(sources: Partial<ConfigurationSources>): string {
  try {
    resolve(sources);
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  }
  return assert.fail('accepted');
}

const file = { name: 'r.json', content: { port: 3, host: 'file.example' } };

test('flag wins over environment, environment over file, file over default', () => {
  const environment = { RINGBACK_PORT: '2' };
  assert.equal(resolve({ flags: { port: '1' }, environment, file }).port, 1);
  assert.equal(resolve({ environment, file }).port, 2);
  assert.equal(resolve({ file }).port, 3);
  assert.equal(resolve({}).port, 8080);
  assert.equal(resolve({ environment, file }).host, 'file.example');
});

test('PORT is heeded where RINGBACK_PORT is not set, and before the file', () => {
  assert.equal(resolve({ environment: { PORT: '5' }, file }).port, 5);
  assert.equal(resolve({ environment: { PORT: '5', RINGBACK_PORT: '' } }).port, 5);
  assert.equal(resolve({ environment: { PORT: '5', RINGBACK_PORT: '6' } }).port, 6);
  assert.match(fault({ environment: { PORT: 'x' } }), /^PORT: expected a whole number from 0 to 65535, got "x"$/);
});

test('an empty variable counts as absent', () => {
  const environment = Object.fromEntries(namedOptions.map((option) => [option.variable, '']));
  assert.ok(Object.keys(environment).length >= 13);
  assert.deepEqual(resolve({ environment: { ...environment, PORT: '' } }), resolve({}));
});

const variables: readonly [string, string, string, unknown][] = [
  ['RINGBACK_HOST', '::1', 'host', '::1'],
  ['RINGBACK_STORE', 'memory:', 'store', { kind: 'memory' }],
  ['RINGBACK_BACKPLANE', 'memory:', 'backplane', { kind: 'memory' }],
  ['RINGBACK_ALLOWED_ORIGIN', 'http://a, https://b:443', 'allowedOrigins', ['http://a', 'https://b']],
  ['RINGBACK_TRUSTED_PROXY', '10.0.0.0/8,::1', 'trustedProxies', ['10.0.0.0/8', '::1/128']],
  ['RINGBACK_PUBLIC_URL', 'https://x', 'publicUrl', 'https://x'],
  ['RINGBACK_RETENTION_SECONDS', '5', 'retentionSeconds', 5],
  ['RINGBACK_METRICS_PORT', '0', 'metricsPort', 0],
  ['RINGBACK_DRAIN_SECONDS', '1', 'drainSeconds', 1],
  ['RINGBACK_DEMO', 'true', 'demo', true],
  ['RINGBACK_DEMO', '1', 'demo', true],
  ['RINGBACK_DEMO', '0', 'demo', false],
  ['RINGBACK_LOG_LEVEL', 'debug', 'logLevel', 'debug'],
  ['RINGBACK_ALLOW_TOKEN_IN_QUERY', 'TRUE', 'allowTokenInQuery', true],
];
for (const [variable, text, key, value] of variables) {
  test(`${variable}=${text} sets ${key}`, () => {
    assert.deepEqual(Object.entries(resolve({ environment: { [variable]: text } })).find(([name]) => name === key)?.[1], value);
  });
}

test('a switch that the file turns on is turned off by its flag', () => {
  assert.equal(resolve({ flags: { demo: false }, file: { name: 'r.json', content: { demo: true } } }).demo, false);
});

test('lists from different places replace each other, and are not joined', () => {
  const environment = { RINGBACK_ALLOWED_ORIGIN: 'http://a' };
  assert.deepEqual(resolve({ flags: { allowedOrigins: ['http://b'] }, environment }).allowedOrigins, ['http://b']);
});

test('a fault is told by the flag, variable or key that has it', () => {
  assert.match(fault({ flags: { port: 'x' } }), /^--port: /);
  assert.match(fault({ flags: { trustedProxies: ['x'] } }), /^--trusted-proxy: /);
  assert.match(fault({ environment: { RINGBACK_DEMO: 'ja' } }), /^RINGBACK_DEMO: expected true or false, got "ja"$/);
  assert.match(
    fault({ environment: { RINGBACK_ALLOWED_ORIGIN: 'http://a,,http://b' } }),
    /^RINGBACK_ALLOWED_ORIGIN: expected an origin/,
  );
  assert.match(fault({ file: { name: 'r.json', content: { trustedProxies: ['x'] } } }), /^trustedProxies\[0\] in r\.json: /);
  assert.match(
    fault({ file: { name: 'r.json', content: { prot: 1 } } }),
    /^prot in r\.json: unknown key; did you mean "port"\?$/,
  );
  assert.match(fault({ file: { name: 'r.json', content: [] } }), /^r\.json: expected a JSON object, got a list of 0$/);
});

test('a number must be written as one', () => {
  for (const port of ['0x50', '8e3', ' 80', '', '80.5', '+80', '٣'])
    assert.match(fault({ flags: { port } }), /^--port: expected a whole number/);
});

test('a misspelt variable is refused with the right one, a foreign one is left alone', () => {
  assert.match(
    fault({ environment: { RINGBACK_STROE: 'canary' } }),
    /^RINGBACK_STROE: unknown variable; did you mean RINGBACK_STORE\?$/,
  );
  assert.match(fault({ environment: { RINGBACK_ALLOWED_ORIGINS: 'x' } }), /did you mean RINGBACK_ALLOWED_ORIGIN\?$/);
  assert.match(
    fault({ environment: { RINGBACK_API_KEYS: 'canary' } }),
    /^RINGBACK_API_KEYS: unknown variable; did you mean RINGBACK_API_KEY\?$/,
  );
  const foreign = {
    RINGBACK_SERVICE_HOST: '10.0.0.1',
    RINGBACK_PORT_80_TCP: 'tcp://10.0.0.1:80',
    RINGBACK_TOKEN: 'x',
    RINGBACK_STROE: '',
  };
  assert.deepEqual(resolve({ environment: foreign }), resolve({}));
});

test('finds the name of the configuration file by flag, then by variable', () => {
  const environment = { RINGBACK_CONFIG: 'b.json' };
  assert.equal(configurationFileName({ flags: { config: 'a.json' }, environment }), 'a.json');
  assert.equal(configurationFileName({ flags: {}, environment }), 'b.json');
  assert.equal(configurationFileName({ flags: {}, environment: { RINGBACK_CONFIG: '' } }), undefined);
  assert.throws(() => configurationFileName({ flags: { config: '' }, environment }), /--config: expected the name of a file/);
});

test('docs/configuration.md is what its generator makes', () => {
  const text = readFileSync(documentFile, 'utf8');
  assert.equal(text, configurationDocument(), 'run: node scripts/write-configuration-doc.ts');
  for (const name of ['--allowed-origin', 'RINGBACK_DRAIN_SECONDS', 'failedCredentialsPerMinute', '| `trustedProxies` |']) {
    assert.ok(text.includes(name), name);
  }
});
