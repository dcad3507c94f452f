/** What a person reads when the database of `--store postgres://…` cannot be used. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { migrate, StoreDatabaseError } from '../../src/postgres/migrate.ts';
import { noPostgres, sharedPostgres } from '../fixtures/postgres.ts';

const PASSWORD = 'canary-of-the-password';

async function refusal(url: string): Promise<string> {
  const error: unknown = await migrate(url).then(
    () => assert.fail('it was accepted'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof StoreDatabaseError, String(error));
  assert.ok(!error.message.includes('canary'), error.message);
  return error.message.replace('cannot use the PostgreSQL database as a store: ', '');
}

/** A message of the server, as it is on the wire. */
function frame(type: string, body: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, Buffer.from(body, 'latin1')]);
}

const failure = (code: string, text: string): Buffer => frame('E', `SFATAL\0VFATAL\0C${code}\0M${text}\0\0`);
/** Asks for a password, as far as the point at which the client needs it. */
function askForPassword(socket: Socket): void {
  socket.write(frame('R', '\0\0\0\nSCRAM-SHA-256\0\0'));
  socket.once('data', () => socket.write(frame('R', '\0\0\0\x0br=nonce,s=c2FsdA==,i=4096')));
}

/** Speaks once, when somebody has come and said hello. */
async function listen(answer: (socket: Socket) => void): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

test('what keeps a database from being used is said in plain words, with host and port and without the password', async () => {
  for (const [user, answer, expected] of [
    [
      `shop:${PASSWORD}`,
      (socket: Socket) => socket.write(failure('28P01', 'password authentication failed for user "shop"')),
      /^the server at 127\.0\.0\.1:PORT refuses the password of the user "shop"$/,
    ],
    ['shop', askForPassword, /^the server at 127\.0\.0\.1:PORT asks for a password of the user "shop", and the URL has none$/],
    [
      `shop:${PASSWORD}`,
      (socket: Socket) => socket.write(failure('3D000', 'database "d" does not exist')),
      /^there is no database "d" at 127\.0\.0\.1:PORT$/,
    ],
    [`shop:${PASSWORD}`, () => undefined, /^127\.0\.0\.1:PORT does not answer in time$/],
    [`shop:${PASSWORD}`, (socket: Socket) => socket.destroy(), /^the connection to 127\.0\.0\.1:PORT was cut off/],
    [
      `shop:${PASSWORD}`,
      (socket: Socket) => socket.write(failure('28000', 'no pg_hba.conf entry for host "1.2.3.4"')),
      /^no pg_hba\.conf entry for host "1\.2\.3\.4" \(at 127\.0\.0\.1:PORT\)$/,
    ],
  ] as const) {
    await using server = await listen(answer);
    const told = await refusal(`postgres://${user}@127.0.0.1:${server.port}/d`);
    assert.match(told.replace(`${server.port}`, 'PORT'), expected);
  }
});

test('what is wrong with its URL or the way to it is said as well', async () => {
  const { port } = await closed(await listen(() => undefined));
  for (const [url, expected] of [
    [
      `postgres://u:${PASSWORD}@127.0.0.1:${port}/d`,
      new RegExp(`^nothing listens at 127\\.0\\.0\\.1:${port} \\(ECONNREFUSED\\)$`),
    ],
    [`postgres://u:${PASSWORD}@nowhere.invalid/d`, /^the host nowhere\.invalid is not found \((ENOTFOUND|EAI_AGAIN)\)$/],
    [`postgres://u:${PASSWORD}%ZZ@127.0.0.1:1/d`, /^in its URL the password has a % that begins no escape; .* %25$/],
    [`postgres://u:${PASSWORD}%e0%a4%@127.0.0.1:1/d`, /^in its URL the password has a %/],
    [`postgres://u:${PASSWORD}@127.0.0.1:1/d%ZZ`, /^in its URL the name of the database has a %/],
    [
      `postgres://u:${PASSWORD}@127.0.0.1:1/d?sslmode=requre`,
      /^expected sslmode to be disable, prefer, require, verify-ca, verify-full, no-verify, got "requre"$/,
    ],
    [`postgres://u:${PASSWORD}@127.0.0.1:1/d?port=abc`, /^expected port to be a number, got "abc"$/],
    [`postgres://u:${PASSWORD}@127.0.0.1:1/d?sslrootcert=/nowhere.pem`, /\/nowhere\.pem/],
  ] as const) {
    assert.match(await refusal(url), expected);
  }
});

test('a database that cannot hold all text is refused', { skip: noPostgres }, async () => {
  const server = await sharedPostgres();
  const name = `latin_${process.pid}`;
  await server.run(`CREATE DATABASE ${name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`);
  try {
    const url = Object.assign(new URL(server.url), { pathname: name });
    assert.equal(await refusal(url.href), 'expected a database whose server_encoding is UTF8, got LATIN1');
  } finally {
    await server.run(`DROP DATABASE ${name} WITH (FORCE)`);
  }
});

/** Closed again: a port at which nobody listens. */
async function closed<T extends AsyncDisposable>(resource: T): Promise<T> {
  await resource[Symbol.asyncDispose]();
  return resource;
}

test('percent signs in parameters of its URL are decoded once', async () => {
  await assert.doesNotReject(refusal('postgres://127.0.0.1:1/shop?user=a%25b'));
});
