/** Every kind of credential that a request can show, each with a transaction in the state that belongs to it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { silentLogger } from '../../src/logger.ts';
import { parseConfiguration, type RingbackConfiguration } from '../../src/server/configuration.ts';
import { serve, type Serving } from '../../src/server/serve.ts';
import type { WireOpened } from '../../src/server/wire.ts';
import { DatabaseTime } from '../arrangements/database-time.ts';
import { API_KEY, BackEnd } from '../fixtures/back-end.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { temporaryDatabase } from '../fixtures/postgres.ts';
import { webhooks } from '../webhooks/delivery.ts';
import { Hub } from './hub-requests.ts';
import { type HeaderLine, member } from './wire-client.ts';

export const SECOND_API_KEY = 'rbak_second-key-of-the-back-end-9876543210';

/** What a credential is to the transaction that a request names. */
export type Standing = 'none' | 'bad' | 'api-key' | 'own-token' | 'ambiguous';
/** What it is to the hub: `other` is good, but for another transaction or another token's connection. */
export type HubStanding = 'bad' | 'good' | 'other' | 'ambiguous';

/** A server, and what the requests are about. */
export interface World extends AsyncDisposable {
  /** Where the requests go. Whatever they show and name was made by {@link backEnd} and {@link hub}, maybe at another instance. */
  readonly url: string;
  readonly clock: ManualClock;
  /** Lets time pass for the instances and their store. */
  turn(ms: number): Promise<void>;
  readonly backEnd: BackEnd;
  readonly hub: Hub;
}

/** What a request names, and what it shows. */
export interface Shown {
  readonly subject: WireOpened;
  readonly authorization: readonly string[];
}

export interface CredentialKind {
  readonly name: string;
  readonly standing: Standing;
  readonly hub: HubStanding;
  /** The state of the subject, where it is not open. */
  readonly state?: 'settled' | 'expired' | 'forgotten';
  make(world: World): Promise<Shown>;
}

export async function startWorld(limits: RingbackConfiguration['limits'] = {}): Promise<World> {
  const clock = new ManualClock();
  const serving = await startAt('memory:', clock, limits);
  const { url } = serving;
  return {
    url,
    clock,
    turn: async (ms) => clock.advance(ms),
    backEnd: new BackEnd(url),
    hub: new Hub(url),
    [Symbol.asyncDispose]: () => whileTurning(clock, serving.drain()),
  };
}

/** Two instances on one PostgreSQL: one makes what the other is shown. */
export async function startWorldOfTwo(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const clock = new ManualClock();
  const database = stack.use(await temporaryDatabase());
  const time = stack.use(await DatabaseTime.take(database.url, clock));
  const instances = await Promise.all([startAt(database.url, clock), startAt(database.url, clock)]);
  const [maker, asked] = instances;
  stack.defer(() => whileTurning(clock, Promise.all(instances.map((instance) => instance.drain()))));
  const parts = stack.move();
  return {
    url: asked.url,
    clock,
    async turn(ms) {
      await time.set(clock.now() + ms);
      clock.advance(ms);
      await time.rest();
    },
    backEnd: new BackEnd(maker.url),
    hub: new Hub(maker.url),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function startAt(store: string, clock: ManualClock, limits: RingbackConfiguration['limits'] = {}): Promise<Serving> {
  const configuration = {
    store,
    port: 0,
    drainSeconds: 1,
    retentionSeconds: 100_000_000,
    limits: { failedCredentialsPerMinute: 1_000_000, ...limits },
    webhooks,
  };
  return serve(parseConfiguration(configuration), { apiKeys: [API_KEY, SECOND_API_KEY], logger: silentLogger, clock });
}

/** A drain says good-bye over a time that passes only as the clock is turned. */
export async function whileTurning(clock: ManualClock, work: Promise<unknown>): Promise<void> {
  let isOver = false;
  void work.finally(() => (isOver = true));
  while (!isOver) {
    clock.advance(1_000);
    await setImmediate();
  }
  await work;
}

const bearer = (secret: string): readonly string[] => [`Bearer ${secret}`];
const secretLike = (prefix: string): string => `${prefix}${randomBytes(32).toString('base64url')}`;

/** A kind whose header does not depend on the transaction. */
function fixed(name: string, standing: Standing, authorization: () => readonly string[]): CredentialKind {
  const hub = standing === 'ambiguous' ? 'ambiguous' : 'bad';
  return {
    name,
    standing,
    hub,
    make: async ({ backEnd }) => ({ subject: await backEnd.open(), authorization: authorization() }),
  };
}

/** A kind whose header is made of the transaction. */
function made(
  name: string,
  standings: readonly [Standing, HubStanding],
  make: (world: World, subject: WireOpened) => Promise<readonly string[]>,
): CredentialKind {
  const [standing, hub] = standings;
  return {
    name,
    standing,
    hub,
    async make(world) {
      const subject = await world.backEnd.open();
      return { subject, authorization: await make(world, subject) };
    },
  };
}

async function mintedToken({ backEnd }: World, { id }: WireOpened): Promise<{ tokenId: string; accessToken: string }> {
  const { status, body } = await backEnd.call('POST', `/v1/transactions/${id}/tokens`);
  const [tokenId, accessToken] = [member(body, 'tokenId'), member(body, 'accessToken')];
  assert.ok(status === 201 && typeof tokenId === 'string' && typeof accessToken === 'string');
  return { tokenId, accessToken };
}

/** The life of a transaction when none is asked for. */
export const LIFE_MS = 86_400_000;
export const TICKET_LIFE_MS = 60_000;

export const credentialKinds: readonly CredentialKind[] = [
  fixed('none', 'none', () => []),
  fixed('a random text', 'bad', () => bearer(randomBytes(24).toString('hex'))),
  fixed('an unknown access token', 'bad', () => bearer(secretLike('rbat_'))),
  fixed('an unknown ticket', 'bad', () => bearer(secretLike('rbtk_'))),
  fixed('an unknown API key', 'bad', () => bearer(secretLike('rbak_'))),
  fixed('an API key', 'api-key', () => bearer(API_KEY)),
  fixed('the second API key', 'api-key', () => bearer(SECOND_API_KEY)),
  fixed('an API key without its last character', 'bad', () => bearer(API_KEY.slice(0, -1))),
  fixed('an API key with another scheme', 'bad', () => [`Token ${API_KEY}`]),
  fixed('an API key as basic credentials', 'bad', () => [`Basic ${Buffer.from(`key:${API_KEY}`).toString('base64')}`]),
  fixed('an API key without a scheme', 'bad', () => [API_KEY]),
  fixed('an empty bearer', 'bad', () => ['Bearer ']),
  fixed('an empty header', 'bad', () => ['']),
  fixed('an over-long bearer', 'bad', () => bearer(`${API_KEY}${'a'.repeat(5_000)}`)),
  fixed('two API keys in one header', 'bad', () => bearer(`${API_KEY} ${SECOND_API_KEY}`)),
  fixed('two API keys in two headers', 'ambiguous', () => [...bearer(API_KEY), ...bearer(API_KEY)]),
  made('an API key before a token in two headers', ['ambiguous', 'ambiguous'], async (_world, { accessToken }) => [
    ...bearer(API_KEY),
    ...bearer(accessToken),
  ]),
  made('a token before a bad one in two headers', ['ambiguous', 'ambiguous'], async (_world, { accessToken }) => [
    ...bearer(accessToken),
    ...bearer('x'),
  ]),
  made('its own access token', ['own-token', 'good'], async (_world, { accessToken }) => bearer(accessToken)),
  made('its own access token, scheme in lower case', ['own-token', 'good'], async (_world, { accessToken }) => [
    `bearer ${accessToken}`,
  ]),
  made('its own access token with another scheme', ['bad', 'bad'], async (_world, { accessToken }) => [`Basic ${accessToken}`]),
  made('its own access token in other case', ['bad', 'bad'], async (_world, { accessToken }) =>
    bearer(accessToken.toUpperCase()),
  ),
  made('a second token of its own', ['own-token', 'other'], async (world, subject) =>
    bearer((await mintedToken(world, subject)).accessToken),
  ),
  made("another transaction's access token", ['bad', 'other'], async ({ backEnd }) => bearer((await backEnd.open()).accessToken)),
  made('a revoked access token', ['bad', 'bad'], async (world, subject) => {
    const { tokenId, accessToken } = await mintedToken(world, subject);
    assert.equal((await world.backEnd.call('DELETE', `/v1/transactions/${subject.id}/tokens/${tokenId}`)).status, 204);
    return bearer(accessToken);
  }),
  made('its callback secret', ['bad', 'bad'], async (_world, { callbackUrl = '' }) =>
    bearer(callbackUrl.slice(callbackUrl.lastIndexOf('/') + 1)),
  ),
  made('its transaction id', ['bad', 'bad'], async (_world, { id }) => bearer(id)),
  made('its token id', ['bad', 'bad'], async (_world, { tokenId }) => bearer(tokenId)),
  made('a fresh ticket', ['bad', 'good'], async ({ hub }, { accessToken }) => bearer((await hub.negotiate(accessToken)).ticket)),
  made('a ticket in use by another connection', ['bad', 'bad'], async ({ hub }, { accessToken }) =>
    bearer((await hub.attach(accessToken)).ticket),
  ),
  made('a ticket of a revoked token', ['bad', 'bad'], async (world, subject) => {
    const { tokenId, accessToken } = await mintedToken(world, subject);
    const { ticket } = await world.hub.negotiate(accessToken);
    assert.equal((await world.backEnd.call('DELETE', `/v1/transactions/${subject.id}/tokens/${tokenId}`)).status, 204);
    return bearer(ticket);
  }),
  made('a stale ticket', ['bad', 'bad'], async ({ hub, turn }, { accessToken }) => {
    const { ticket } = await hub.negotiate(accessToken);
    await turn(TICKET_LIFE_MS + 1_000);
    return bearer(ticket);
  }),
  made("another transaction's ticket", ['bad', 'other'], async ({ hub, backEnd }) =>
    bearer((await hub.negotiate((await backEnd.open()).accessToken)).ticket),
  ),
  {
    ...made('its own access token, transaction settled', ['own-token', 'good'], async ({ backEnd }, { id, accessToken }) => {
      await backEnd.send(id);
      await backEnd.settle(id);
      return bearer(accessToken);
    }),
    state: 'settled',
  },
  {
    ...made(
      'its own access token, transaction expired',
      ['own-token', 'good'],
      async ({ backEnd, turn }, { id, accessToken }) => {
        await backEnd.send(id);
        await turn(LIFE_MS);
        return bearer(accessToken);
      },
    ),
    state: 'expired',
  },
  {
    ...made('its own access token, transaction forgotten', ['bad', 'bad'], async ({ backEnd }, { id, accessToken }) => {
      await backEnd.forget(id);
      return bearer(accessToken);
    }),
    state: 'forgotten',
  },
  {
    ...made('a ticket, transaction forgotten', ['bad', 'bad'], async ({ backEnd, hub }, { id, accessToken }) => {
      const { ticket } = await hub.negotiate(accessToken);
      await backEnd.forget(id);
      return bearer(ticket);
    }),
    state: 'forgotten',
  },
];

/** The header lines of a credential. */
export function authorizationLines({ authorization }: Shown): HeaderLine[] {
  return authorization.map((value): HeaderLine => ['Authorization', value]);
}
