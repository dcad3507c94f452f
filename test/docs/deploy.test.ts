/** docs/deploy.md: what can be run of it is run here, or in test/deploy/; the rest is named. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { installed, kinds, sourceOf } from '../deploy/balancer.ts';
import { API_KEY } from '../fixtures/back-end.ts';
import { freePort } from '../fixtures/free-port.ts';
import { noOwnPostgres, PostgresServer } from '../fixtures/postgres.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { blocksOf, ROOT } from './blocks.ts';
import { type } from './terminal.ts';

const PAGE = 'docs/deploy.md';
const blocks = blocksOf(PAGE);

/** Run here. */
const HERE = ['bash secrets', 'sql role', 'bash two', 'bash page', 'bash restart', 'bash stop'] as const;
/** Run in test/deploy/database.test.ts. */
const ELSEWHERE = ['sql schema', 'sql instance role', 'sql instance rights'];
/** Docker, systemd and a name on the internet. */
const NOWHERE = ['bash compose', 'bash rolling', 'bash single', 'ini ringback.service', 'bash check'];
/** Nothing to be run. */
const ARITHMETIC = ['text '];

function code(known: (typeof HERE)[number]): string {
  const found = blocks.find(({ language, name }) => `${language} ${name}` === known);
  return found?.code ?? assert.fail(`${PAGE} has no block "${known}"`);
}

test('every block of docs/deploy.md is run, or known not to be', () => {
  const names = blocks.map(({ language, name }) => `${language} ${name}`);
  assert.deepEqual(names.toSorted(), [...HERE, ...ELSEWHERE, ...NOWHERE, ...ARITHMETIC].toSorted());
});

test('the secrets of compose.yaml are made as the page says, for nobody else to read', async () => {
  await using folder = await temporaryFolder();
  const { code: exit, stderr } = await type([code('bash secrets')], { folder: folder.path, environment: {} });
  assert.equal(exit, 0, stderr);
  const file = join(folder.path, '.env');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.match(readFileSync(file, 'utf8'), /^POSTGRES_PASSWORD=[0-9a-f]{48}\nRINGBACK_API_KEY=rbak_[0-9a-f]{64}\n$/);
});

const haproxy = kinds.find(({ name }) => name === 'HAProxy') ?? assert.fail('no HAProxy');
const unpacked = await installed(haproxy);
const skip = 'problem' in unpacked ? unpacked.problem : noOwnPostgres;

test('one instance becomes two as the page says, and each is restarted while a page waits', { skip }, async () => {
  assert.ok(!('problem' in unpacked));
  await using postgres = await PostgresServer.start();
  for (const line of code('sql role').split('\n')) await postgres.run(line);
  await using folder = await temporaryFolder();
  const [first, second, front, ...peers] = await Promise.all([freePort(), freePort(), freePort(), freePort(), freePort()]);
  const ports: Readonly<Record<string, number>> = { 8081: first, 8082: second, 9081: peers[0] ?? 0, 9082: peers[1] ?? 0 };
  prepare(folder.path, { bin: join(unpacked.root, haproxy.program), libraries: unpacked.environment, front });
  const here = (text: string): string =>
    text
      .replaceAll(/(?<!-)\b(8081|8082|9081|9082)\b/g, (port) => String(ports[port]))
      .replaceAll(/127\.0\.0\.1:8080\b/g, `127.0.0.1:${front}`)
      .replaceAll(' 8080; do', ` ${front}; do`)
      .replace('@127.0.0.1:5432', `@${new URL(postgres.url).host}`);
  const walk = (['bash two', 'bash page', 'bash restart', 'bash stop'] as const).map(code);
  const scripts = ["trap 'kill $(jobs -p) 2>/dev/null' EXIT", ...walk];
  const environment = {
    PATH: `${join(folder.path, 'bin')}:${process.env['PATH']}`,
    RINGBACK_URL: `http://127.0.0.1:${front}`,
    RINGBACK_DRAIN_SECONDS: '2',
    RINGBACK_LOG_LEVEL: 'silent',
  };
  const { printed, stderr } = await type(scripts.map(here), { folder: folder.path, environment });
  const lines = (printed[3] ?? '').split('\n').filter((line) => line.includes('"time"'));
  const heard = lines.map((line): { type: string; sequence: number } => JSON.parse(line));
  assert.deepEqual(
    heard.map(({ type: name, sequence }) => [name, sequence]),
    [
      ['first', 1],
      ['second', 2],
      ['third', 3],
    ],
    stderr,
  );
});

interface Preparation {
  readonly bin: string;
  readonly libraries: NodeJS.ProcessEnv;
  readonly front: number;
}

/** What the reader has: the program, HAProxy, its file, and the key of the instance that there was. */
function prepare(folder: string, { bin, libraries, front }: Preparation): void {
  for (const name of ['bin', 'deploy', 'data']) mkdirSync(join(folder, name));
  const programs = {
    ringback: `exec '${process.execPath}' '${join(ROOT, 'src/cli/main.ts')}' "$@"`,
    haproxy: `LD_LIBRARY_PATH='${libraries['LD_LIBRARY_PATH'] ?? ''}' exec '${bin}' "$@"`,
  };
  for (const [name, line] of Object.entries(programs)) {
    const file = join(folder, 'bin', name);
    writeFileSync(file, `#!/bin/sh\n${line}\n`);
    chmodSync(file, 0o755);
  }
  writeFileSync(join(folder, 'deploy/haproxy.cfg'), sourceOf(haproxy).replace('bind :8080', `bind 127.0.0.1:${front}`));
  writeFileSync(join(folder, 'data/ringback.db.api-key'), `${API_KEY}\n`);
}
