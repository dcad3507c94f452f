import assert from 'node:assert/strict';
import { test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { run } from './command.ts';

test('prints the version of the package and ends with 0', async () => {
  const { code, stdout, stderr } = await run(['--version']);
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
});

test('prints help on stdout and ends with 0', async () => {
  const { code, stdout, stderr } = await run(['--help']);
  assert.equal(code, 0);
  assert.equal(stderr, '');
  for (const command of ['serve', 'open', 'send', 'listen']) assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
});

test('without a command it prints help on stderr and ends with 2', async () => {
  const { code, stdout, stderr } = await run([]);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /Usage: ringback/);
});

const wrong: readonly { args: string[]; line: RegExp }[] = [
  { args: ['serv'], line: /unknown command 'serv' \(Did you mean serve\?\)/ },
  { args: ['serve', '--prot', '1'], line: /unknown option --prot; did you mean "--port"\?/ },
  { args: ['serve', '--prot=1'], line: /unknown option --prot; did you mean "--port"\?/ },
  { args: ['listen', 'txn_x', '--tokn=canary-value'], line: /unknown option --tokn; did you mean "--token"\?/ },
  { args: ['listen', 'txn_x', '-tcanary-value'], line: /unknown option -t; expected --token, / },
  { args: ['listen', 'txn_x', 'canary-value'], line: /too many arguments for 'listen'/ },
  { args: ['listen', 'txn_x'], line: /--token: expected the access token/ },
  {
    args: ['listen', 'txn_x', '--token', 'canary-value', '--after', '-1'],
    line: /--after: expected a whole number from 0, got "-1"/,
  },
  { args: ['listen'], line: /missing required argument 'id'/ },
  { args: ['send', 'txn_x', '--type', 'a'], line: /required option '--data <json>' not specified/ },
  { args: ['send', 'txn_x', '--data', '{}'], line: /required option '--type <type>' not specified/ },
  { args: ['send', 'txn_x', '--type', 'a', '--data', 'canary-value'], line: /--data: expected JSON; it is not valid JSON/ },
  { args: ['send', 'txn_x', '--type', 'a', '--data', '@no-such-file'], line: /--data: cannot read no-such-file \(ENOENT\)/ },
  {
    args: ['send', 'txn_x', '--type', 'a', '--data', '{}', '--wait', 'x'],
    line: /--wait: expected a whole number from 0, got "x"/,
  },
  { args: ['open', '--ttl-seconds', '0'], line: /--ttl-seconds: expected a whole number from 1, got "0"/ },
  { args: ['open', '--metadata', '{"a":canary-value'], line: /--metadata: expected JSON/ },
  { args: ['open', '--url', 'ftp://x'], line: /--url: expected an http or https URL/ },
  { args: ['open', '--store', 'memory:'], line: /RINGBACK_API_KEY is not set; with memory:/ },
  { args: ['serve', '--port', '70000'], line: /--port: expected a whole number from 0 to 65535, got 70000/ },
  { args: ['serve', '--store', 'postgres://u:canary-value@h/d'], line: /RINGBACK_API_KEY is not set; with postgres:\/\/ it is/ },
  { args: ['open', '--store', 'postgres://u:canary-value@h/d'], line: /RINGBACK_API_KEY is not set; with postgres:\/\/ it is/ },
  { args: ['serve', '--store', 'postgres://u:canary-value@h'], line: /--store: the name of the database is missing/ },
  { args: ['serve', '--backplane', 'postgres:'], line: /--backplane: expected memory: with a store of the kind sqlite/ },
  {
    args: ['serve', '--azure-signalr', 'AccessKey=canary-value'],
    line: /--azure-signalr: Azure SignalR Service is not supported yet/,
  },
  { args: ['serve', '--azure-mode', 'serverless'], line: /--azure-mode: Azure SignalR Service is not supported yet/ },
  { args: ['serve', '--config', 'no-such-file'], line: /cannot read the configuration file no-such-file \(ENOENT\)/ },
];

for (const { args, line } of wrong) {
  test(`ends with 2 and one line for: ringback ${args.join(' ')}`, async () => {
    const { code, stdout, stderr } = await run(args);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, line);
    assert.equal(stderr.trimEnd().split('\n').length, 1);
    assert.doesNotMatch(stderr, /canary-value/);
  });
}
