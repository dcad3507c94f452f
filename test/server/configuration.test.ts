import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { test } from 'node:test';
import { ConfigurationError, defaultLimits, parseConfiguration } from '../../src/server/configuration.ts';

function faults(input: unknown): readonly string[] {
  try {
    parseConfiguration(input);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    assert.equal(error.message, error.faults.join('; '));
    assert.doesNotMatch(error.message, /\n/);
    return error.faults;
  }
  assert.fail(`accepted ${inspect(input)}`);
}

test('an empty configuration has the defaults of the contract', () => {
  assert.deepEqual(parseConfiguration({}), {
    host: '127.0.0.1',
    port: 8080,
    store: { kind: 'sqlite', file: './data/ringback.db' },
    backplane: { kind: 'memory' },
    trustedProxies: [],
    peerPort: 0,
    retentionSeconds: 86_400,
    drainSeconds: 10,
    demo: false,
    logLevel: 'info',
    allowTokenInQuery: false,
    lean: false,
    limits: defaultLimits,
    webhooks: [],
  });
  assert.deepEqual(parseConfiguration(), parseConfiguration({}));
});

test('the limits are those of the contract, all finite', () => {
  assert.deepEqual(
    { ...defaultLimits },
    {
      ttlSecondsDefault: 86_400,
      ttlSecondsMax: 31_536_000,
      anonymousTtlSecondsMax: 86_400,
      messageBytes: 65_536,
      batchBytes: 8_388_608,
      replyBytes: 8192,
      metadataBytes: 4096,
      jsonDepth: 64,
      messagesPerTransaction: 100_000,
      mailboxBytes: 67_108_864,
      webhookBodyBytes: 1_048_576,
      webhookDedupeSeconds: 3_024_000,
      // Beyond the contract, which says 24 h and no number.
      parkedSeconds: 86_400,
      parkedMessages: 100_000,
      openTransactions: 1_000_000,
      anonymousOpensPerMinute: 30,
      failedCredentialsPerMinute: 60,
    },
  );
});

for (const name of Object.keys(defaultLimits)) {
  test(`limits.${name} is heeded, and takes whole numbers of at least 1 only`, () => {
    assert.equal(Object.entries(parseConfiguration({ limits: { [name]: 7 } }).limits).find(([key]) => key === name)?.[1], 7);
    for (const value of [0, -1, 1.5, Infinity, Number.NaN, '7', null, 2 ** 60]) {
      const [fault] = faults({ limits: { [name]: value } });
      assert.match(fault ?? '', new RegExp(`^limits\\.${name}: expected a whole number from 1 to \\d+, got `));
    }
  });
}

test('lives that are not set give way to ttlSecondsMax, those that are set are refused beyond it', () => {
  const { limits } = parseConfiguration({ limits: { ttlSecondsMax: 60 } });
  assert.deepEqual([limits.ttlSecondsDefault, limits.anonymousTtlSecondsMax], [60, 60]);
  assert.deepEqual(faults({ limits: { ttlSecondsMax: 60, ttlSecondsDefault: 61, anonymousTtlSecondsMax: 62 } }), [
    'limits.ttlSecondsDefault: expected at most ttlSecondsMax, which is 60, got 61',
    'limits.anonymousTtlSecondsMax: expected at most ttlSecondsMax, which is 60, got 62',
  ]);
});

test('keys that are undefined count as absent, as an app writes them', () => {
  const configuration = parseConfiguration({ publicUrl: undefined, limits: { messageBytes: undefined } });
  assert.equal('publicUrl' in configuration, false);
  assert.equal(configuration.limits.messageBytes, 65_536);
});

const unknownKeys: readonly [unknown, string][] = [
  [{ prot: 1 }, 'prot: unknown key; did you mean "port"?'],
  [{ allowedOrigin: [] }, 'allowedOrigin: unknown key; did you mean "allowedOrigins"?'],
  [{ limits: { jsonDept: 1 } }, 'limits.jsonDept: unknown key; did you mean "jsonDepth"?'],
  [{ config: 'x' }, 'config: unknown key; expected host, '],
  [JSON.parse('{"__proto__": 1}'), '__proto__: unknown key; expected host, '],
  [{ 'a\nb': 1 }, '"a\\nb": unknown key'],
];
for (const [input, start] of unknownKeys) {
  test(`refuses the unknown key in ${JSON.stringify(input)} with the nearest right one`, () => {
    const [fault] = faults(input);
    assert.ok(fault?.startsWith(start), fault);
  });
}

test('names every fault at once', () => {
  assert.equal(faults({ port: 'x', drainSeconds: -1, stor: 1 }).length, 3);
});

test('refuses what is no object', () => {
  assert.deepEqual(faults(null), ['the configuration: expected an object, got null']);
  assert.deepEqual(faults([]), ['the configuration: expected an object, got a list of 0']);
  assert.deepEqual(faults({ limits: 5 }), ['limits: expected an object, got 5']);
});

test('reads the kinds of store and backplane that exist', () => {
  assert.deepEqual(parseConfiguration({ store: 'memory:' }).store, { kind: 'memory' });
  assert.deepEqual(parseConfiguration({ store: 'sqlite:/a b/c:d.db' }).store, { kind: 'sqlite', file: '/a b/c:d.db' });
  for (const url of ['postgres://u:p%25%40@h:5433/d?sslmode=require&options=-c%20geqo%3Doff', 'postgresql://h/d']) {
    assert.deepEqual(parseConfiguration({ store: url }).store, { kind: 'postgres', url });
  }
  assert.deepEqual(parseConfiguration({ backplane: 'memory:' }).backplane, { kind: 'memory' });
});

test('the doorbell is in the database of a store that instances can share, unless told otherwise', () => {
  const store = 'postgres://u@h/d';
  assert.deepEqual(parseConfiguration({ store: 'memory:' }).backplane, { kind: 'memory' });
  assert.deepEqual(parseConfiguration({ store }).backplane, { kind: 'postgres' });
  assert.deepEqual(parseConfiguration({ store, backplane: 'postgres:' }).backplane, { kind: 'postgres' });
  assert.deepEqual(parseConfiguration({ store, backplane: 'memory:' }).backplane, { kind: 'memory' });
});

const wrongLocations: readonly [object, RegExp][] = [
  [{ store: 'postgres:' }, /^store: expected postgres:\/\/<user>/],
  [{ store: 'postgres:///canary' }, /^store: expected postgres:\/\/<user>/],
  [{ store: 'postgres://u:canary@h' }, /^store: the name of the database is missing, expected postgres:\/\/<user>/],
  [{ store: 'postgres://u:canary@h/%20' }, /^store: the name of the database is missing, expected postgres:\/\/<user>/],
  [{ store: 'postgres://u:canary@h/?sslmode=require' }, /^store: the name of the database is missing, expected/],
  [{ store: 'postgres://u:canary@h//d' }, /^store: expected one name of a database, with %2F for a \/ in it/],
  [{ store: 'postgres://u:canary%ZZ@h/d' }, /^store: a % must be followed by two digits .*; write %25 for the sign$/],
  [{ store: 'postgres://u:canary@h/d?options=%E0%A4' }, /^store: a % must be followed by two digits/],
  [{ store: 'postgres://u:canary@h/d%00' }, /^store: expected no %00$/],
  [{ store: 'postgres://u:p@h/d#canary' }, /^store: a # must be written %23, expected postgres:\/\/<user>/],
  [{ store: 'postgres://u:canary@h/d?options=-c%20a&options=-c%20b' }, /^store: expected options once, with all settings in it$/],
  [{ store: 'postgres://u:canary@h:x/d' }, /^store: expected postgres:\/\/<user>/],
  [
    { store: 'redis://u:canary@h' },
    /^store: the store kind redis does not exist yet; expected sqlite:<file>, postgres:\/\/… or memory:$/,
  ],
  [{ store: 'sqlit:x' }, /^store: there is no store kind "sqlit", .*did you mean sqlite:<file>\?$/],
  [{ store: 'memory' }, /^store: a kind and a colon are missing, .*did you mean memory:\?$/],
  [{ store: './canary.db' }, /^store: a kind and a colon are missing, expected sqlite:<file>, postgres:\/\/… or memory:$/],
  [{ store: 'memory:canary' }, /^store: there is no|^store: /],
  [{ store: 'sqlite:' }, /^store: expected the name of a file after sqlite:$/],
  [{ store: 'sqlite::memory:' }, /^store: expected memory:/],
  [{ store: 5 }, /^store: expected sqlite:<file>, postgres:\/\/… or memory:, got 5$/],
  [
    { backplane: 'postgres:' },
    /^backplane: expected memory: with a store of the kind sqlite; postgres: rings through the database of a store postgres:/,
  ],
  [{ backplane: 'postgres://u:canary@h/d' }, /^backplane: expected nothing after postgres:/],
  [{ backplane: 'postgre:' }, /^backplane: there is no backplane kind "postgre", .*did you mean postgres:\?$/],
  [{ backplane: 'redis://canary' }, /^backplane: the backplane kind redis does not exist yet/],
  [{ azureSignalr: 'AccessKey=canary' }, /^azureSignalr: Azure SignalR Service is not supported yet/],
  [{ azureMode: 'default' }, /^azureMode: Azure SignalR Service is not supported yet/],
];
for (const [input, message] of wrongLocations) {
  test(`refuses ${JSON.stringify(input)} by name`, () => {
    const [fault] = faults(input);
    assert.match(fault ?? '', message);
    assert.doesNotMatch(fault ?? '', /canary/);
  });
}

test('origins become what a browser sends', () => {
  const allowedOrigins = [
    'HTTPS://Shop.Example:443',
    'http://bücher.example:8080',
    'http://[::1]:80',
    'capacitor://LocalHost',
    'https://shop.example',
  ];
  assert.deepEqual(parseConfiguration({ allowedOrigins }).allowedOrigins, [
    'https://shop.example',
    'http://xn--bcher-kva.example:8080',
    'http://[::1]',
    'capacitor://localhost',
  ]);
  assert.deepEqual(parseConfiguration({ allowedOrigins: [] }).allowedOrigins, []);
});

const wrongOrigins: readonly [unknown, RegExp][] = [
  ['*', /refused \*, since any site could then act/],
  ['https://*.shop.example', /origins are compared exactly/],
  ['null', /refused null, which every sandboxed page sends/],
  ['https://shop.example/', /did you mean https:\/\/shop\.example\?$/],
  ['https://shop.example/pay?x=1', /did you mean https:\/\/shop\.example\?$/],
  ['https://u:canary@shop.example', /did you mean https:\/\/shop\.example\?$/],
  ['shop.example', /expected an origin like https:\/\/shop\.example, got "shop\.example"$/],
  ['https://', /expected an origin/],
  ['', /expected an origin/],
  ['file:///x', /expected an origin/],
  ['https://shop.example:99999', /expected an origin/],
  [5, /expected an origin like https:\/\/shop\.example, got 5$/],
];
for (const [origin, message] of wrongOrigins) {
  test(`refuses the origin ${JSON.stringify(origin)}`, () => {
    const [fault] = faults({ allowedOrigins: ['https://a.example', origin] });
    assert.match(fault ?? '', /^allowedOrigins\[1\]: /);
    assert.match(fault ?? '', message);
    assert.doesNotMatch(fault ?? '', /canary/);
  });
}

test('reads networks and single addresses of proxies', () => {
  const trustedProxies = ['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '::1'];
  assert.deepEqual(parseConfiguration({ trustedProxies }).trustedProxies, ['10.0.0.0/8', '192.0.2.7/32', 'fd00::/8', '::1/128']);
});

for (const network of [
  '10.0.0.0/33',
  '10.1/16',
  '::/129',
  'proxy.example',
  '10.0.0.0/',
  '010.0.0.0/8',
  '1.2.3.4/8/8',
  'loopback',
  '',
  'fe80::1%eth0',
]) {
  test(`refuses the network ${JSON.stringify(network)}`, () => {
    assert.match(
      faults({ trustedProxies: [network] })[0] ?? '',
      /^trustedProxies\[0\]: expected a network like 10\.0\.0\.0\/8 or an address/,
    );
  });
}

test('reads hosts, IPv6 with and without brackets', () => {
  for (const [host, read] of [
    ['0.0.0.0', '0.0.0.0'],
    ['::1', '::1'],
    ['[::]', '::'],
    ['localhost', 'localhost'],
    ['a-b.example', 'a-b.example'],
  ]) {
    assert.equal(parseConfiguration({ host }).host, read);
  }
  for (const host of ['', '1.2.3', '127.0.0.1:80', '[localhost]', 'http://x', 'a b', '-a']) {
    assert.match(faults({ host })[0] ?? '', /^host: expected an IP address or a host name/);
  }
});

test('reads the public URL, with a path, without a slash at its end', () => {
  assert.equal(parseConfiguration({ publicUrl: 'https://Shop.example/' }).publicUrl, 'https://shop.example');
  assert.equal(parseConfiguration({ publicUrl: 'http://shop.example:8080/a/b/' }).publicUrl, 'http://shop.example:8080/a/b');
  for (const publicUrl of [
    'shop.example',
    'ftp://x',
    'https://u:canary@x',
    'https://x/?canary',
    'https://x/#canary',
    'https:x',
    7,
  ]) {
    const [fault] = faults({ publicUrl });
    assert.match(fault ?? '', /^publicUrl: expected an http or https URL/);
    assert.doesNotMatch(fault ?? '', /canary/);
  }
});

test('refuses wrong values of the plain options, saying what was expected', () => {
  assert.deepEqual(faults({ port: 65_536 }), ['port: expected a whole number from 0 to 65535, got 65536']);
  assert.deepEqual(faults({ port: '80' }), ['port: expected a whole number from 0 to 65535, got "80"']);
  assert.deepEqual(faults({ metricsPort: -1.5 }), ['metricsPort: expected a whole number from 0 to 65535, got -1.5']);
  assert.deepEqual(faults({ retentionSeconds: -1 }), ['retentionSeconds: expected a whole number from 0 to 3153600000, got -1']);
  assert.deepEqual(faults({ drainSeconds: 100_000 }), ['drainSeconds: expected a whole number from 0 to 86400, got 100000']);
  assert.deepEqual(faults({ demo: 'yes' }), ['demo: expected true or false, got "yes"']);
  assert.deepEqual(faults({ logLevel: 'inof' }), ['logLevel: there is no level "inof"; did you mean "info"?']);
  assert.deepEqual(faults({ port: 9, metricsPort: 9 }), ["metricsPort: expected another port than the server's own, 9"]);
  assert.equal(parseConfiguration({ port: 0, metricsPort: 0 }).metricsPort, 0);
});

test('a long value is cut, one that may hold a credential is not repeated', () => {
  assert.ok((faults({ host: 'x y'.repeat(100) })[0] ?? '').length < 150);
  assert.doesNotMatch(faults({ publicUrl: 'ftp://u:canary@x' })[0] ?? '', /canary/);
});
