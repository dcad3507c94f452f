/** Every kind of credential at every request of the hub: only what is granted passes, and all refusals look alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  authorizationLines,
  credentialKinds,
  startWorld,
  TICKET_LIFE_MS,
  type CredentialKind,
  type HubStanding,
  type Shown,
  type World,
} from './credential-kinds.ts';
import { fingerprint, type HeaderLine, type WireAnswer } from './wire-client.ts';

interface Cell {
  readonly world: World;
  readonly shown: Shown;
  readonly headers: readonly HeaderLine[];
  /** Of a connection that was negotiated with the subject's first access token. */
  readonly connectionToken: string;
}

interface HubColumn {
  readonly name: string;
  readonly answers: Readonly<Record<HubStanding, number>>;
  ask(cell: Cell): Promise<WireAnswer>;
}

const TRANSPORT_OPEN: HeaderLine = ['Accept', '*/*'];

/** The subject's connection, its transport open. */
async function connected({ world, shown, connectionToken }: Cell): Promise<void> {
  await world.hub.request('GET', `/hub?id=${connectionToken}`, [
    TRANSPORT_OPEN,
    ['Authorization', `Bearer ${shown.subject.accessToken}`],
  ]);
}

const columns: readonly HubColumn[] = [
  {
    name: 'negotiate',
    answers: { good: 200, other: 200, bad: 401, ambiguous: 400 },
    ask: ({ world, headers }) => world.hub.request('POST', '/hub/negotiate?negotiateVersion=1', headers, ''),
  },
  {
    name: 'negotiate, version 0',
    answers: { good: 200, other: 200, bad: 401, ambiguous: 400 },
    ask: ({ world, headers }) => world.hub.request('POST', '/hub/negotiate', headers, ''),
  },
  {
    name: 'upgrade without negotiate',
    answers: { good: 101, other: 101, bad: 401, ambiguous: 400 },
    ask: ({ world, headers }) => world.hub.upgrade('', headers),
  },
  {
    name: "upgrade of the subject's connection",
    answers: { good: 101, other: 403, bad: 401, ambiguous: 400 },
    ask: ({ world, headers, connectionToken }) => world.hub.upgrade(`?id=${connectionToken}`, headers),
  },
  {
    name: 'first poll',
    answers: { good: 200, other: 403, bad: 401, ambiguous: 400 },
    ask: ({ world, headers, connectionToken }) => world.hub.request('GET', `/hub?id=${connectionToken}`, headers),
  },
  {
    name: 'send',
    answers: { good: 200, other: 403, bad: 401, ambiguous: 400 },
    async ask(cell) {
      await connected(cell);
      return cell.world.hub.request(
        'POST',
        `/hub?id=${cell.connectionToken}`,
        cell.headers,
        '{"protocol":"json","version":1}\u001e',
      );
    },
  },
  {
    name: 'terminate',
    answers: { good: 202, other: 403, bad: 401, ambiguous: 400 },
    async ask(cell) {
      await connected(cell);
      return cell.world.hub.request('DELETE', `/hub?id=${cell.connectionToken}`, cell.headers);
    },
  },
  {
    name: 'poll of a connection that is not there',
    answers: { good: 404, other: 404, bad: 401, ambiguous: 400 },
    ask: ({ world, headers }) => world.hub.request('GET', '/hub?id=AAAAAAAAAAAAAAAAAAAAAA', headers),
  },
  {
    name: 'terminate without a connection',
    answers: { good: 400, other: 400, bad: 401, ambiguous: 400 },
    ask: ({ world, headers }) => world.hub.request('DELETE', '/hub', headers),
  },
];

async function cellOf(world: World, kind: CredentialKind): Promise<Cell> {
  const shown = await kind.make(world);
  const isThere = kind.state !== 'forgotten';
  const connectionToken = isThere
    ? (await world.hub.negotiate(shown.subject.accessToken)).connectionToken
    : 'AAAAAAAAAAAAAAAAAAAAAA';
  return { world, shown, connectionToken, headers: authorizationLines(shown) };
}

test('each credential opens its own column of the hub and no other, and all refusals are one and the same', async () => {
  await using world = await startWorld();
  const refusals: WireAnswer[] = [];
  let cells = 0;
  for (const kind of credentialKinds) {
    for (const column of columns) {
      const answer = await column.ask(await cellOf(world, kind));
      assert.equal(answer.status, column.answers[kind.hub], `${kind.name} at ${column.name}: ${answer.text}`);
      if (answer.status === 401) refusals.push(answer);
      cells++;
    }
  }
  assert.ok(cells >= 37 * 9, `only ${cells} cells were looked at`);
  assert.ok(refusals.length >= 150, `only ${refusals.length} were refused`);
  // An upgrade that is refused ends its socket without a header that says so, as the official server has it.
  const forms = new Set(
    refusals.map((answer) => fingerprint({ ...answer, headers: answer.headers.filter(([name]) => name !== 'connection') })),
  );
  assert.equal(forms.size, 1, [...forms].join('\n---\n'));
  const [form = ''] = forms;
  assert.match(form, /^401\n[^]*www-authenticate: Bearer/);
});

test('in a query only a ticket is a credential, an access token or an API key never', async () => {
  await using world = await startWorld();
  const origin: HeaderLine = ['Origin', world.url];
  const forms = new Set<string>();
  let cells = 0;
  for (const kind of credentialKinds) {
    const shown = await kind.make(world);
    const [header = '', ...more] = shown.authorization;
    const secret = header.replace(/^Bearer /i, '');
    if (more.length > 0 || secret.length > 1_000) continue;
    const isTicket = kind.name.includes('ticket') && kind.hub !== 'bad';
    const answer = await world.hub.upgrade(`?access_token=${encodeURIComponent(secret)}`, [origin]);
    assert.equal(answer.status, isTicket ? 101 : 401, kind.name);
    if (!isTicket) forms.add(fingerprint(answer));
    const negotiated = await world.hub.request(
      'POST',
      `/hub/negotiate?negotiateVersion=1&access_token=${encodeURIComponent(secret)}`,
      [origin],
      '',
    );
    assert.equal(negotiated.status, 401, `${kind.name} in the query of a negotiate`);
    cells += 2;
  }
  assert.ok(cells > 60, `only ${cells} cells were looked at`);
  assert.equal(forms.size, 1, [...forms].join('\n---\n'));
});

test('a bound ticket is good together with its own connection, and for nothing else', async () => {
  await using world = await startWorld();
  const { accessToken, id } = await world.backEnd.open();
  const { ticket, connectionToken } = await world.hub.attach(accessToken);
  const headers: HeaderLine[] = [['Authorization', `Bearer ${ticket}`]];
  const other = await world.hub.negotiate(accessToken);
  assert.equal((await world.hub.request('POST', `/hub?id=${connectionToken}`, headers, '{"type":6}\u001e')).status, 200);
  assert.equal((await world.hub.request('GET', `/hub?id=${other.connectionToken}`, headers)).status, 401);
  assert.equal((await world.hub.upgrade(`?id=${other.connectionToken}`, headers)).status, 401);
  assert.equal((await world.hub.upgrade('', headers)).status, 401);
  assert.equal((await world.hub.request('POST', '/hub/negotiate?negotiateVersion=1', headers, '')).status, 401);
  assert.equal((await world.hub.request('DELETE', `/hub?id=${connectionToken}`, headers)).status, 202);
  assert.equal((await world.hub.request('POST', `/hub?id=${connectionToken}`, headers, '{"type":6}\u001e')).status, 401);
  await world.backEnd.forget(id);
});

test('a fresh ticket negotiates again, and is good for each connection of its transaction until one has attached', async () => {
  await using world = await startWorld();
  const { accessToken } = await world.backEnd.open();
  const { ticket } = await world.hub.negotiate(accessToken);
  const again = await world.hub.negotiate(ticket);
  assert.equal(again.ticket, '', 'a ticket is its own successor');
  const headers: HeaderLine[] = [['Authorization', `Bearer ${ticket}`]];
  world.clock.advance(TICKET_LIFE_MS - 1);
  assert.equal((await world.hub.request('POST', '/hub/negotiate?negotiateVersion=1', headers, '')).status, 200);
  world.clock.advance(1);
  assert.equal((await world.hub.request('POST', '/hub/negotiate?negotiateVersion=1', headers, '')).status, 401);
});
