/** Every kind of credential at every route: only what is granted passes, and all refusals look alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  authorizationLines,
  credentialKinds,
  startWorld,
  startWorldOfTwo,
  type CredentialKind,
  type Shown,
  type Standing,
  type World,
} from './credential-kinds.ts';
import { isLong } from '../fixtures/long.ts';
import { noPostgres } from '../fixtures/postgres.ts';
import { headersFor } from '../webhooks/delivery.ts';
import { exchange, fingerprint, type HeaderLine, member, type WireAnswer } from './wire-client.ts';

const JSON_TYPE: HeaderLine = ['Content-Type', 'application/json'];

/** Whom a route lets in; `anyone` does not look at the header. */
type Column = 'api-key' | 'api-key-or-own-token' | 'own-token' | 'api-key-without-id' | 'opening' | 'anyone';

interface ApiRoute {
  readonly method: string;
  readonly column: Column;
  path(shown: Shown): string;
  readonly body?: string;
  /** Besides the credential. */
  headers?(body: string, at: number): readonly HeaderLine[];
  /** How it is answered when the credential is good. */
  readonly good: number;
  /** The same, where the transaction is settled or expired. */
  readonly ended?: number;
}

const at =
  (rest: string) =>
  ({ subject }: Shown) =>
    `/v1/transactions/${subject.id}${rest}`;
const secretOf = ({ subject }: Shown): string => new URL(subject.callbackUrl ?? '').pathname;

const signedNow = (body: string, at: number): readonly HeaderLine[] => Object.entries(headersFor(body, { at }));

const routes: readonly ApiRoute[] = [
  { method: 'POST', path: () => '/v1/transactions', column: 'opening', body: '{}', good: 201 },
  { method: 'GET', path: () => '/v1/transactions?reference=nobody', column: 'api-key-without-id', good: 200 },
  { method: 'GET', path: at(''), column: 'api-key-or-own-token', good: 200 },
  { method: 'HEAD', path: at(''), column: 'api-key-or-own-token', good: 200 },
  { method: 'POST', path: at('/tokens'), column: 'api-key', good: 201 },
  {
    method: 'DELETE',
    path: ({ subject }) => `/v1/transactions/${subject.id}/tokens/${subject.tokenId}`,
    column: 'api-key',
    good: 204,
  },
  { method: 'POST', path: at('/callbacks'), column: 'api-key', good: 201 },
  {
    method: 'DELETE',
    path: ({ subject }) => `/v1/transactions/${subject.id}/callbacks/${subject.callbackId}`,
    column: 'api-key',
    good: 204,
  },
  { method: 'POST', path: at('/messages'), column: 'api-key', body: '{"type":"t","data":1}', good: 202, ended: 410 },
  {
    method: 'POST',
    path: () => '/v1/messages:batch',
    column: 'api-key-without-id',
    body: '{"messages":[{"transaction":"txn_nobody","type":"t","data":1}]}',
    good: 200,
  },
  { method: 'GET', path: at('/messages'), column: 'api-key-or-own-token', good: 200 },
  { method: 'GET', path: at('/messages?after=0&limit=1'), column: 'api-key-or-own-token', good: 200 },
  { method: 'GET', path: at('/messages/nothing'), column: 'api-key', good: 404 },
  { method: 'POST', path: at('/acks'), column: 'own-token', body: '{"sequence":1}', good: 422, ended: 204 },
  { method: 'POST', path: at('/settle'), column: 'api-key', good: 200 },
  { method: 'DELETE', path: at(''), column: 'api-key', good: 204 },
  { method: 'POST', path: secretOf, column: 'anyone', body: '{"a":1}', good: 202 },
  // The signature is what counts here, and an API key is none.
  { method: 'POST', path: () => '/webhooks/acme', column: 'anyone', body: '{"a":1}', headers: signedNow, good: 200 },
  { method: 'POST', path: () => '/webhooks/acme', column: 'anyone', body: '{"a":1}', good: 401 },
  { method: 'GET', path: () => '/health/live', column: 'anyone', good: 200 },
  { method: 'GET', path: () => '/health/ready', column: 'anyone', good: 200 },
  { method: 'GET', path: () => '/openapi.json', column: 'anyone', good: 200 },
];

/** What a column answers to each standing; 0 is the route's own good answer. */
const ANSWERS: Readonly<Record<Column, Readonly<Record<Standing, number>>>> = {
  'api-key': { none: 401, bad: 401, 'api-key': 0, 'own-token': 403, ambiguous: 400 },
  'api-key-or-own-token': { none: 401, bad: 401, 'api-key': 0, 'own-token': 0, ambiguous: 400 },
  'own-token': { none: 401, bad: 401, 'api-key': 403, 'own-token': 0, ambiguous: 400 },
  // No id is named, so no token is its own.
  'api-key-without-id': { none: 401, bad: 401, 'api-key': 0, 'own-token': 401, ambiguous: 400 },
  // Without a credential it takes a page of an allowed origin, which this is not.
  opening: { none: 403, bad: 401, 'api-key': 0, 'own-token': 401, ambiguous: 400 },
  anyone: { none: 0, bad: 0, 'api-key': 0, 'own-token': 0, ambiguous: 0 },
};

function expected(route: ApiRoute, { standing, state }: CredentialKind): number {
  if (route.path === secretOf && state === 'forgotten') return 404;
  if (route.path === secretOf && standing === 'ambiguous') return 400;
  const answer = ANSWERS[route.column][standing];
  if (answer !== 0) return answer;
  return (state === undefined ? undefined : route.ended) ?? route.good;
}

interface Question {
  readonly route: ApiRoute;
  readonly shown: Shown;
  /** Default: the route's. */
  readonly path?: string;
}

function ask({ url, clock }: World, { route, shown, path = route.path(shown) }: Question): Promise<WireAnswer> {
  const { method, body, headers } = route;
  const others = body === undefined ? [] : [JSON_TYPE, ...(headers?.(body, clock.now()) ?? [])];
  const lines = [...authorizationLines(shown), ...others];
  return exchange(url, { method, path, headers: lines, ...(body !== undefined && { body }) });
}

async function row(world: World, kind: CredentialKind, among = routes): Promise<WireAnswer[]> {
  const refusals: WireAnswer[] = [];
  for (const route of among) {
    const shown = await kind.make(world);
    const answer = await ask(world, { route, shown });
    assert.equal(answer.status, expected(route, kind), `${kind.name} at ${route.method} ${route.path(shown)}: ${answer.text}`);
    if (answer.status === 401 && route.method !== 'HEAD' && route.column !== 'anyone') refusals.push(answer);
  }
  return refusals;
}

test('each credential opens its own column of the API and no other, and all refusals are one and the same', async () => {
  await using world = await startWorld();
  const refusals: WireAnswer[] = [];
  let cells = 0;
  for (const kind of credentialKinds) {
    refusals.push(...(await row(world, kind)));
    cells += routes.length;
  }
  assert.ok(cells >= 37 * 22, `only ${cells} cells were looked at`);
  assert.ok(refusals.length >= 250, `only ${refusals.length} were refused`);
  const forms = new Set(refusals.map(fingerprint));
  assert.equal(forms.size, 1, [...forms].join('\n---\n'));
  const [form = ''] = forms;
  assert.match(form, /^401\n[^]*www-authenticate: Bearer/);
});

test('what one instance has given and taken back the other one lets in and refuses alike', { skip: noPostgres }, async () => {
  // The first route of each column, which a single instance shows to stand for it; `RINGBACK_LONG=1` for all of them.
  const first = routes.filter(({ column }, index) => routes.findIndex((route) => route.column === column) === index);
  const among = isLong ? routes : first;
  assert.equal(first.length, Object.keys(ANSWERS).length);
  await using world = await startWorldOfTwo();
  const refusals: WireAnswer[] = [];
  for (const kind of credentialKinds) refusals.push(...(await row(world, kind, among)));
  assert.ok(refusals.length >= 90, `only ${refusals.length} were refused`);
  assert.equal(new Set(refusals.map(fingerprint)).size, 1);
});

test('a transaction that does not exist is refused exactly as one that does', async () => {
  await using world = await startWorld();
  const forms = new Set<string>();
  let cells = 0;
  for (const kind of credentialKinds) {
    if (kind.standing === 'api-key' || kind.standing === 'ambiguous') continue;
    const shown = await kind.make(world);
    const real = await world.backEnd.open();
    for (const id of ['txn_AAAAAAAAAAAAAAAAAAAAAAAA', real.id, 'nothing', '%20', 'a'.repeat(200)]) {
      for (const route of routes) {
        const path = route.path(shown).replace(shown.subject.id, id);
        if (!path.includes(id) || route.method === 'HEAD') continue;
        forms.add(fingerprint(await ask(world, { route, shown, path })));
        cells++;
      }
    }
  }
  assert.ok(cells > 1_000, `only ${cells} cells were looked at`);
  assert.equal(forms.size, 1, [...forms].join('\n---\n'));
});

test('an API key is told that a transaction does not exist', async () => {
  await using world = await startWorld();
  const kind = credentialKinds.find(({ name }) => name === 'an API key');
  assert.ok(kind !== undefined);
  let looked = 0;
  for (const route of routes.filter(({ column }) => column === 'api-key' || column === 'api-key-or-own-token')) {
    const shown = await kind.make(world);
    const answer = await ask(world, { route, shown, path: route.path(shown).replace(shown.subject.id, 'txn_nobody') });
    assert.equal(answer.status, 404, `${route.method} ${route.path(shown)}`);
    looked++;
  }
  assert.equal(looked, 12);
});

test('a credential in the query is none', async () => {
  await using world = await startWorld();
  const { accessToken, id } = await world.backEnd.open();
  for (const name of ['access_token', 'token', 'apiKey']) {
    assert.equal(
      (await exchange(world.url, { method: 'GET', path: `/v1/transactions/${id}?${name}=${accessToken}` })).status,
      401,
    );
  }
});

test('a callback URL answers alike when it was never there, was revoked, or its transaction is forgotten', async () => {
  await using world = await startWorld();
  const body = '{"a":1}';
  const post = (path: string): Promise<WireAnswer> => exchange(world.url, { method: 'POST', path, headers: [JSON_TYPE], body });
  const revoked = await world.backEnd.open();
  assert.equal(
    (await world.backEnd.call('DELETE', `/v1/transactions/${revoked.id}/callbacks/${revoked.callbackId}`)).status,
    204,
  );
  const forgotten = await world.backEnd.open();
  await world.backEnd.forget(forgotten.id);
  const good = await world.backEnd.open();
  const secret = new URL(good.callbackUrl ?? '').pathname;
  const dead = [
    '/callbacks/rbcb_nothing',
    `/callbacks/${good.accessToken}`,
    `/callbacks/${good.callbackId}`,
    `/callbacks/${good.id}`,
    `${secret}a`,
    secret.slice(0, -1),
    `${secret}${'a'.repeat(2_500)}`,
  ];
  const forms = new Set<string>();
  for (const path of [...dead, new URL(revoked.callbackUrl ?? '').pathname, new URL(forgotten.callbackUrl ?? '').pathname]) {
    const answer = await post(path);
    assert.equal(answer.status, 404, path);
    assert.equal(member(answer.body, 'code'), 'not_found');
    forms.add(fingerprint(answer));
  }
  assert.equal(forms.size, 1);
  assert.equal((await post(secret)).status, 202);
});

test('a callback of a settled or an expired transaction is answered like success, and kept nowhere', async () => {
  await using world = await startWorld();
  for (const end of ['settled', 'expired']) {
    const { id, callbackUrl = '' } = await world.backEnd.open();
    const path = new URL(callbackUrl).pathname;
    const good = await exchange(world.url, { method: 'POST', path, headers: [JSON_TYPE], body: '{"n":1}' });
    if (end === 'settled') await world.backEnd.settle(id);
    else world.clock.advance(86_400_000);
    const late = await exchange(world.url, { method: 'POST', path, headers: [JSON_TYPE], body: '{"n":2}' });
    assert.equal(late.status, 202);
    assert.equal(fingerprint(late), fingerprint(good));
    const { messages } = await world.backEnd.messages(id);
    assert.deepEqual(
      messages.map(({ type, data }) => ({ type, data })),
      [{ type: 'callback', data: { n: 1 } }],
    );
  }
});
