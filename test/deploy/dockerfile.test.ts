/** What the Dockerfile says, without Docker; image.test.ts follows it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SERVER_FLAGS } from '../../scripts/server-flags.mjs';
import { namedOptions } from '../../src/server/configuration.ts';
import { copyOf, lastOf, letIn, parseDockerfile, ROOT, stages, variablesOf, wordsOf, type Stage } from './image.ts';

const last: Stage = stages.at(-1) ?? assert.fail('no stage');
const instructions = stages.flatMap((stage) => stage.instructions.map((instruction) => ({ stage, ...instruction })));
const named = (keyword: string) => instructions.filter((one) => one.keyword === keyword);

test('it is made in stages, and the last one is begun afresh', () => {
  assert.deepEqual(
    stages.map(({ name, base }) => [name, base]),
    [
      ['base', stages[0]?.base],
      ['packages', 'base'],
      ['build', 'base'],
      ['server', 'base'],
    ],
  );
  assert.ok(instructions.length >= 15, `only ${instructions.length} instructions were seen`);
});

test('the base image has an exact tag, of the Node that everything is tested on', () => {
  const pinned = /PINNED_NODE = '([\d.]+)'/.exec(readFileSync(join(ROOT, 'scripts/ensure.mjs'), 'utf8'))?.[1];
  assert.ok(pinned !== undefined);
  const images = stages.map(({ base }) => base).filter((base) => !stages.some(({ name }) => name === base));
  assert.deepEqual(images, [`node:${pinned}-bookworm-slim`]);
});

test('whatever it copies is in git or in a stage before, and .dockerignore lets in that and no more', () => {
  const copies = named('COPY').map(({ stage, ...one }) => ({ stage, ...copyOf(one) }));
  const fromContext = copies.filter(({ from }) => from === undefined).flatMap(({ sources }) => sources);
  assert.ok(fromContext.length >= 10);
  for (const source of fromContext) {
    assert.notEqual(
      execFileSync('git', ['ls-files', '--', source], { cwd: ROOT, encoding: 'utf8' }),
      '',
      `${source} is not in git`,
    );
  }
  assert.deepEqual([...new Set(fromContext)].toSorted(), letIn().toSorted());
  for (const { stage, from } of copies) {
    const before = stages.slice(0, stages.indexOf(stage)).map(({ name }) => name);
    assert.ok(from === undefined || before.includes(from), `${from} is no stage before ${stage.name}`);
  }
});

test('nothing is fetched but packages of the lockfile, without their install scripts', () => {
  assert.deepEqual(named('ADD'), []);
  const installs = named('RUN').filter(({ rest }) => rest.includes('npm'));
  assert.equal(installs.length, 2);
  for (const { rest } of installs) assert.match(rest, /^npm ci (--omit=dev )?--ignore-scripts$/);
  for (const { rest } of named('RUN')) assert.doesNotMatch(rest, /curl|wget|apt|https?:/);
});

test('no secret gets into a layer: no argument of the build, and only variables that are options', () => {
  assert.deepEqual(named('ARG'), []);
  const variables = named('ENV').flatMap((one) => Object.keys(variablesOf(one)));
  assert.ok(variables.length >= 2);
  for (const name of variables) {
    assert.ok(name === 'NODE_ENV' || namedOptions.some(({ variable }) => variable === name), `${name} is no option`);
  }
  assert.ok(!letIn().some((path) => /env|key|secret|data|^\.git$/.test(path)));
});

test('it runs as a user without rights, by number, so that an orchestrator can see that it is not root', () => {
  assert.match(lastOf(last, 'USER').rest, /^[1-9]\d*:[1-9]\d*$/);
  const [uid] = lastOf(last, 'USER').rest.split(':');
  const volume = lastOf(last, 'VOLUME').rest;
  assert.ok(
    named('RUN').some(({ rest }) => rest.includes(`-o ${uid} `) && rest.endsWith(volume)),
    'that user owns the volume',
  );
  assert.equal(lastOf(last, 'WORKDIR').rest, volume);
});

test('Node itself is the first process, with the flags of the launcher', () => {
  const [program, ...rest] = wordsOf(lastOf(last, 'ENTRYPOINT').rest);
  const flags = rest.filter((word) => word.startsWith('--'));
  const ofLauncher = SERVER_FLAGS.filter((flag) => !flag.startsWith('--v8-pool-size='));
  assert.ok(ofLauncher.length >= 2);
  assert.equal(program, 'node');
  assert.deepEqual(flags, [...ofLauncher, '--v8-pool-size=1']);
  assert.equal(rest.length, SERVER_FLAGS.length + 1);
  assert.deepEqual(wordsOf(lastOf(last, 'CMD').rest), ['serve']);
  assert.equal(lastOf(last, 'STOPSIGNAL').rest, 'SIGTERM');
});

test('the port for peers is a fixed one, and is not among those that are published together', () => {
  const { RINGBACK_PORT, RINGBACK_PEER_PORT } = variablesOf(lastOf(last, 'ENV'));
  assert.deepEqual(
    named('EXPOSE').map(({ rest }) => rest),
    [RINGBACK_PORT],
  );
  assert.match(RINGBACK_PEER_PORT ?? '', /^[1-9]\d+$/);
  assert.notEqual(RINGBACK_PEER_PORT, RINGBACK_PORT);
});

test('its health is asked of a route that exists, by nothing but Node', () => {
  const { rest } = lastOf(last, 'HEALTHCHECK');
  const [program, , code = ''] = wordsOf(rest.slice(rest.indexOf('[')));
  assert.equal(program, 'node');
  const path = /path: '([^']+)'/.exec(code)?.[1];
  assert.ok(path !== undefined && readFileSync(join(ROOT, 'src/server/http/health.ts'), 'utf8').includes(`'${path}'`));
  assert.match(rest, /^--interval=\d+s --timeout=\d+s --start-period=\d+s --start-interval=1s --retries=\d CMD /);
});

test('a Dockerfile with what ours does not use is refused, not misread', () => {
  assert.throws(() => parseDockerfile('FROM node:24\nUSER node\n'), /without a name/);
  assert.throws(() => parseDockerfile('USER node\nFROM node:24 AS a\n'), /before the first/);
  assert.throws(() => parseDockerfile('FROM node:24 AS a\nfrom b\n'), /not an instruction/);
  assert.ok(existsSync(join(ROOT, 'Dockerfile')));
});
