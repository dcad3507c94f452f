/** compose.yaml beside what it refers to: the Dockerfile, the options, the balancer's file. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { namedOptions, resolveConfiguration } from '../../src/server/configuration.ts';
import { kinds, sourceOf } from './balancer.ts';
import { lastOf, ROOT, stages, variablesOf, type Stage } from './image.ts';

const texts = z.record(z.string(), z.union([z.string(), z.number()]).transform(String));
const service = z.strictObject({
  build: z.literal('.').optional(),
  image: z.string(),
  restart: z.literal('unless-stopped'),
  init: z.boolean().optional(),
  stop_grace_period: z.string().regex(/^\d+s$/),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  shm_size: z.string().optional(),
  ulimits: z.strictObject({ nofile: z.number() }).optional(),
  networks: z.array(z.string()),
  environment: texts.optional(),
  ports: z.array(z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.literal('service_healthy') })).optional(),
});
type Service = z.infer<typeof service>;
const file = z.looseObject({
  services: z.record(z.string(), service),
  networks: z.record(z.string(), z.unknown()),
  volumes: z.record(z.string(), z.unknown()),
});

const source = readFileSync(join(ROOT, 'compose.yaml'), 'utf8');
const compose = file.parse(parse(source, { merge: true }));
const last: Stage = stages.at(-1) ?? assert.fail('no stage');

function named(name: string): Service {
  return compose.services[name] ?? assert.fail(`no service ${name}`);
}
const instances = Object.entries(compose.services).filter(([, { build }]) => build !== undefined);
const [, instance] = instances[0] ?? assert.fail('no instance');

/** As Compose fills in `${NAME:-default}` and `${NAME:?why}`, with a value for what has to be given. */
function filledIn(text: string): string {
  return text.replaceAll(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_all, name: string, sign: string, rest: string) => {
    if (sign === '-') return rest;
    assert.equal(sign, '?', `${name} has neither a default nor a word on its absence`);
    return `given-${name.toLowerCase().replaceAll('_', '-')}`;
  });
}
const environment = Object.fromEntries(Object.entries(instance.environment ?? {}).map(([name, text]) => [name, filledIn(text)]));

test('there are two instances, alike, behind one balancer, on one database', () => {
  assert.deepEqual(Object.keys(compose.services).toSorted(), ['balancer', 'postgres', 'ringback-1', 'ringback-2']);
  assert.equal(instances.length, 2);
  assert.deepEqual(instances[0]?.[1], instances[1]?.[1]);
});

test('each image of others has an exact tag', () => {
  const images = Object.values(compose.services).filter(({ build }) => build === undefined);
  assert.equal(images.length, 2);
  for (const { image } of images) assert.match(image, /^(postgres|haproxy):\d+\.\d+(\.\d+)?-[a-z]+$/);
});

test('every variable of an instance is an option, and together they are a configuration', () => {
  const names = Object.keys(environment);
  assert.ok(names.length >= 6);
  const known = [...namedOptions.map(({ variable }) => variable), 'RINGBACK_API_KEY'];
  assert.deepEqual(
    names.filter((name) => !known.includes(name)),
    [],
  );
  const { RINGBACK_STORE: store = '', ...rest } = environment;
  const { trustedProxies, metricsPort, drainSeconds, publicUrl } = resolveConfiguration({ flags: {}, environment: rest });
  assert.ok(publicUrl !== undefined && metricsPort !== undefined && trustedProxies.length === 1);
  for (const { stop_grace_period: grace } of Object.values(compose.services)) {
    assert.ok(Number.parseInt(grace, 10) > drainSeconds + 1, 'nobody is killed while it drains');
  }
  const { protocol, hostname, username, pathname } = new URL(store);
  const { POSTGRES_USER, POSTGRES_DB } = named('postgres').environment ?? {};
  assert.deepEqual([protocol, hostname, username, pathname], ['postgres:', 'postgres', POSTGRES_USER, `/${POSTGRES_DB}`]);
});

test('secrets are given from outside, or nothing starts', () => {
  const secret = /(PASSWORD|API_KEY)/;
  const lines = source.split('\n').filter((line) => secret.test(line));
  assert.ok(lines.length >= 3);
  for (const line of lines) assert.match(line, /\$\{(POSTGRES_PASSWORD|RINGBACK_API_KEY):\?/);
  assert.match(readFileSync(join(ROOT, '.gitignore'), 'utf8'), /^\.env$/m);
});

test('an instance waits for the database, and the balancer for the instances, to be healthy', () => {
  assert.deepEqual(Object.keys(instance.depends_on ?? {}), ['postgres']);
  assert.deepEqual(Object.keys(named('balancer').depends_on ?? {}), ['ringback-1', 'ringback-2']);
  assert.ok(named('postgres').healthcheck?.test.includes('pg_isready'));
  assert.ok(lastOf(last, 'HEALTHCHECK').rest.length > 0, 'that of the instances is in their image');
});

test('the balancer knows the instances by their names and port, and is the only one that is published', () => {
  const port = variablesOf(lastOf(last, 'ENV'))['RINGBACK_PORT'];
  const { ports = [], volumes = [] } = named('balancer');
  const [mounted = ''] = volumes.map((volume) => volume.split(':')[0] ?? '');
  assert.ok(existsSync(join(ROOT, mounted)));
  for (const kind of kinds) {
    for (const [name] of instances) assert.ok(sourceOf(kind).includes(` ${name}:${port}`), `${kind.file} names ${name}`);
  }
  const inside = filledIn(ports[0] ?? '')
    .split(':')
    .at(-1);
  assert.match(readFileSync(join(ROOT, mounted), 'utf8'), new RegExp(`^ {4}bind :${inside}$`, 'm'));
  assert.deepEqual(Object.values(compose.services).filter(({ ports: published }) => published !== undefined).length, 1);
});

test('only the network of the balancer is believed about addresses, and the database is not in it', () => {
  const networks = z
    .object({ front: z.object({ ipam: z.object({ config: z.tuple([z.object({ subnet: z.string() })]) }) }) })
    .parse(compose.networks);
  assert.equal(filledIn(networks.front.ipam.config[0].subnet), environment['RINGBACK_TRUSTED_PROXY']);
  assert.deepEqual([named('balancer').networks, named('postgres').networks], [['front'], ['back']]);
  assert.deepEqual(instance.networks, ['front', 'back']);
});

test('what instances pass on to each other goes by the network of the database, which leads nowhere else', () => {
  const { back } = z.object({ back: z.object({ internal: z.literal(true) }) }).parse(compose.networks);
  assert.ok(back.internal);
  const { RINGBACK_PEER_PORT: port } = variablesOf(lastOf(last, 'ENV'));
  assert.ok(port !== undefined && !Object.keys(environment).some((name) => name.startsWith('RINGBACK_PEER_')));
  // Listened on is the address with which the database is reached, and the network of the balancer does not lead there.
  assert.ok(!named('postgres').networks.includes('front'));
  for (const { ports = [] } of Object.values(compose.services)) assert.ok(!ports.some((published) => published.includes(port)));
});

test('what has to outlive a container is in a volume: since PostgreSQL 18 the folder above the data', () => {
  assert.deepEqual(named('postgres').volumes, ['postgres:/var/lib/postgresql']);
  assert.deepEqual(Object.keys(compose.volumes), ['postgres']);
});

test('every variable that an operator may set is told in docs/deploy.md', () => {
  const names = new Set([...source.matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name));
  assert.ok(names.size >= 5);
  const page = readFileSync(join(ROOT, 'docs/deploy.md'), 'utf8');
  for (const name of names) assert.ok(page.includes(`\`${name}\``), `${name} is not told`);
});
