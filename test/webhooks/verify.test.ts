/** The verifier against signatures made by the `standardwebhooks` package. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { mock, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { presets } from '../../src/webhooks/presets.ts';
import { sign } from '../../src/webhooks/sign.ts';
import { verify, type Verification } from '../../src/webhooks/verify.ts';
import { distinct, newSecret, signedBy, source, type SignedHeaders } from './provider.ts';

const NOW = Date.UTC(2030, 0, 1);
const ID = 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W';
const BODY = '{"type":"paid","data":{"reference":"order-7","é":1}}';
const SECRET = newSecret();

type Headers = Readonly<Record<string, readonly string[] | undefined>>;

interface Change {
  readonly headers?: Headers;
  readonly body?: Uint8Array;
  readonly secrets?: readonly string[];
  readonly now?: number;
}

function verified({ headers, body = Buffer.from(BODY), secrets = [SECRET], now = NOW }: Change): Verification {
  return verify(source(secrets), presets['standard-webhooks'], { headers: headers ?? distinct(signed()), body, now });
}

function isVerified(change: Change): boolean {
  return 'id' in verified(change);
}

function signed(secrets: string | readonly string[] = SECRET, at = NOW): SignedHeaders {
  return signedBy(secrets, { id: ID, at, body: BODY });
}

/** The signed headers with one of them as it is given here. */
function withHeader(name: keyof SignedHeaders, ...values: string[]): Headers {
  return { ...distinct(signed()), [name]: values };
}

/** Every text that differs in one bit. */
function flipped(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return copy;
  });
}

/** How many authentication codes are computed meanwhile. */
function codesComputed(run: () => void): number {
  const spy = mock.method(crypto, 'createHmac');
  syncBuiltinESMExports();
  try {
    run();
    return spy.mock.callCount();
  } finally {
    spy.mock.restore();
    syncBuiltinESMExports();
  }
}

test('a signature of the standardwebhooks package is verified, and tells the id of the event', () => {
  const request = { headers: distinct(signed()), body: Buffer.from(BODY), now: NOW };
  assert.deepEqual(verify(source([SECRET]), presets['standard-webhooks'], request), { id: ID });
});

test('a request that differs in any one bit of body, id, time, signature or secret is refused', () => {
  assert.ok(isVerified({}));
  let refused = 0;
  const refuse = (change: Change, what: string): void => {
    assert.ok(!isVerified(change), what);
    refused++;
  };
  for (const body of flipped(Buffer.from(BODY))) refuse({ body }, `body ${body.toString('hex')}`);
  for (const [name, value] of Object.entries(signed())) {
    for (const bytes of flipped(Buffer.from(value, 'latin1')))
      refuse({ headers: { ...distinct(signed()), [name]: [bytes.toString('latin1')] } }, `${name}: ${bytes.toString('latin1')}`);
  }
  const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
  for (const bytes of flipped(key)) refuse({ secrets: [newSecret(bytes)] }, `secret ${bytes.toString('hex')}`);
  const characters = Buffer.byteLength(BODY) + Object.values(signed()).join('').length + key.length;
  assert.equal(refused, characters * 8);
});

test('a refusal says what to look at: the headers, the clock, or the secret', () => {
  const of = (change: Change): unknown => verified(change);
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const) {
    const value = signed()[name];
    for (const values of [[], [''], [value, value]])
      assert.deepEqual(of({ headers: withHeader(name, ...values) }), { refused: 'headers' });
  }
  assert.deepEqual(of({ headers: withHeader('webhook-timestamp', `${NOW / 1000}abc`) }), { refused: 'headers' });
  for (const now of [NOW - 301_000, NOW + 301_000]) assert.deepEqual(of({ now }), { refused: 'clock' });
  for (const change of [
    { secrets: [newSecret()] },
    { body: Buffer.from(`${BODY} `) },
    { headers: withHeader('webhook-id', 'another') },
    { headers: withHeader('webhook-signature', 'v2,x') },
  ])
    assert.deepEqual(of(change), { refused: 'signature' });
});

test('a body that is longer or shorter by a byte, or empty, is refused', () => {
  for (const body of [`${BODY} `, ` ${BODY}`, `${BODY}\n`, BODY.slice(0, -1), '', `${BODY}\0`])
    assert.ok(!isVerified({ body: Buffer.from(body) }));
});

test('the bytes are what is signed, also those that are no text', () => {
  const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x80, 0x7d]);
  const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
  const time = String(NOW / 1000);
  const code = crypto.createHmac('sha256', key).update(`${ID}.${time}.`).update(bytes).digest('base64');
  const headers = distinct({ 'webhook-id': ID, 'webhook-timestamp': time, 'webhook-signature': `v1,${code}` });
  assert.ok(isVerified({ headers, body: bytes }));
  // What a decoded text would have made of it.
  assert.ok(!isVerified({ headers, body: Buffer.from(bytes.toString('utf8')) }));
});

test('while a secret is rotated the old one, the new one and both verify; a third one does not', () => {
  const [old, fresh, other] = [newSecret(), newSecret(), newSecret()];
  const secrets = [fresh, old];
  for (const by of [old, fresh, [old, fresh], [fresh, old], [other, old]])
    assert.ok(isVerified({ secrets, headers: distinct(signed(by)) }));
  assert.ok(!isVerified({ secrets, headers: distinct(signed(other)) }));
  assert.ok(!isVerified({ secrets: [fresh], headers: distinct(signed(old)) }));
});

test('any of ten secrets may have signed, and each costs the same', () => {
  const secrets = Array.from({ length: 10 }, () => newSecret());
  for (const by of secrets) {
    const headers = distinct(signed(by));
    assert.equal(
      codesComputed(() => assert.ok(isVerified({ secrets, headers }))),
      10,
    );
  }
  assert.equal(
    codesComputed(() => assert.ok(!isVerified({ secrets }))),
    10,
  );
});

test('entries of versions that are not known are skipped', () => {
  const [good = ''] = distinct(signed())['webhook-signature'] ?? [];
  const code = good.slice('v1,'.length);
  for (const header of [`v1a,${code} ${good}`, `${good} v2,x`, `v0, nonsense ${good}`, `, ,, ${good} ,`, `${good} ${good}`])
    assert.ok(isVerified({ headers: withHeader('webhook-signature', header) }), header);
  for (const header of [`v1a,${code}`, `v2,${code}`, code, `V1,${code}`, `v1=${code}`, `v1${code}`, `,${code}`, `v11,${code}`])
    assert.ok(!isVerified({ headers: withHeader('webhook-signature', header) }), header);
});

test('a signature is taken only as an encoder writes it', () => {
  const code = signed()['webhook-signature'].slice('v1,'.length);
  const last = code.charAt(42);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const neighbour = alphabet[alphabet.indexOf(last) + 1] ?? '';
  const noncanonical = `${code.slice(0, 42)}${neighbour}=`;
  assert.deepEqual(Buffer.from(noncanonical, 'base64'), Buffer.from(code, 'base64'), 'a lax decoder takes it for the same');
  const spellings = [
    noncanonical,
    code.slice(0, -1),
    `${code}=`,
    `${code}\t`,
    `!${code}`,
    `${code},${code}`,
    `${code}${code}`,
    Buffer.from(code, 'base64').toString('hex'),
    '',
    '=',
  ];
  for (const spelling of spellings)
    assert.ok(!isVerified({ headers: withHeader('webhook-signature', `v1,${spelling}`) }), spelling);
  // Of a code that has them: the letters of the other alphabet.
  let at = NOW;
  while (!/[+/]/.test(signed(SECRET, at)['webhook-signature'].slice(3))) at += 1000;
  const headers = signed(SECRET, at);
  assert.ok(isVerified({ headers: distinct(headers), now: at }));
  const other = headers['webhook-signature'].replaceAll('+', '-').replaceAll('/', '_');
  assert.ok(!isVerified({ headers: distinct({ ...headers, 'webhook-signature': other }), now: at }));
});

test('each security header must be there exactly once, and not be empty', () => {
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;
  for (const name of names) {
    const value = signed()[name];
    assert.ok(isVerified({ headers: withHeader(name, value) }));
    for (const values of [[], [''], [value, value], [value, ''], ['', value], [value, 'other'], [' ']])
      assert.ok(!isVerified({ headers: withHeader(name, ...values) }), `${name}: ${JSON.stringify(values)}`);
    assert.ok(!isVerified({ headers: { ...distinct(signed()), [name]: undefined } }));
  }
  assert.ok(!isVerified({ headers: {} }));
});

test('the time may be 300 s from ours in both directions, and not one more', () => {
  for (const [seconds, expected] of [
    [0, true],
    [299, true],
    [300, true],
    [301, false],
    [86_400, false],
    [31_536_000, false],
  ] as const) {
    for (const at of [NOW - seconds * 1000, NOW + seconds * 1000])
      assert.equal(isVerified({ headers: distinct(signed(SECRET, at)) }), expected, `${(at - NOW) / 1000} s`);
  }
});

test('a time is digits and nothing else, also where a lax parser would take it for one', () => {
  const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
  const seconds = NOW / 1000;
  const signedWith = (time: string): Headers => {
    const code = crypto.createHmac('sha256', key).update(`${ID}.${time}.`, 'latin1').update(BODY).digest('base64');
    return distinct({ 'webhook-id': ID, 'webhook-timestamp': time, 'webhook-signature': `v1,${code}` });
  };
  assert.ok(isVerified({ headers: signedWith(String(seconds)) }));
  assert.ok(isVerified({ headers: signedWith(`00000${seconds}`) }), 'fifteen digits');
  for (const time of [
    `${seconds}abc`,
    `${seconds}.0`,
    `${seconds}e0`,
    `+${seconds}`,
    `-${seconds}`,
    `0x${seconds.toString(16)}`,
    `${seconds}\u0000`,
    `${seconds} `,
    `000000${seconds}`,
    `${seconds}000`,
    'NaN',
    'Infinity',
    '²³¹',
    '9'.repeat(400),
  ])
    assert.ok(!isVerified({ headers: signedWith(time) }), time);
});

test('the standardwebhooks package itself takes a time with something behind it, which is why it is looked at here', () => {
  const webhook = new Webhook(SECRET);
  const at = new Date();
  const headers = signedBy(SECRET, { id: ID, at: at.getTime(), body: BODY });
  const lax = { ...headers, 'webhook-timestamp': `${headers['webhook-timestamp']}abc` };
  assert.doesNotThrow(() => webhook.verify(BODY, lax));
  assert.ok(!isVerified({ headers: distinct(lax), now: at.getTime() }));
});

test('of very many signatures a hundred are looked at, for one code a secret', () => {
  const good = signed()['webhook-signature'];
  const wrong = `v1,${crypto.randomBytes(32).toString('base64')}`;
  const header = (before: number, entry: string): string => [...Array<string>(before).fill(entry), good].join(' ');
  assert.ok(isVerified({ headers: withHeader('webhook-signature', header(99, wrong)) }));
  assert.ok(!isVerified({ headers: withHeader('webhook-signature', header(100, wrong)) }));
  assert.ok(isVerified({ headers: withHeader('webhook-signature', header(99, '')) }));
  assert.ok(!isVerified({ headers: withHeader('webhook-signature', header(5_000, '')) }));
  const secrets = Array.from({ length: 10 }, () => newSecret());
  const many = [
    header(99, wrong),
    header(300, wrong),
    Array<string>(5_000).fill('v1').join(' '),
    Array<string>(5_000).fill(wrong).join(' '),
  ];
  const computed = many.map((each) =>
    codesComputed(() => assert.ok(!isVerified({ secrets, headers: withHeader('webhook-signature', each) }))),
  );
  assert.deepEqual(computed, [10, 10, 0, 0]);
});

test('a header of more than 16 KiB is refused unread', () => {
  const good = signed()['webhook-signature'];
  const padded = (length: number): string => `${good} ${'x'.repeat(length - good.length - 1)}`;
  assert.ok(isVerified({ headers: withHeader('webhook-signature', padded(16_384)) }));
  assert.ok(!isVerified({ headers: withHeader('webhook-signature', padded(16_385)) }));
  const id = 'i'.repeat(16_385);
  assert.ok(!isVerified({ headers: distinct(signedBy(SECRET, { id, at: NOW, body: BODY })) }));
});

test('what we sign, the standardwebhooks package verifies', () => {
  const timestamp = Math.floor(Date.now() / 1000);
  const headers = sign(SECRET, { id: ID, timestamp, body: BODY });
  assert.deepEqual(new Webhook(SECRET).verify(BODY, headers), JSON.parse(BODY));
  assert.deepEqual(headers, signedBy(SECRET, { id: ID, at: timestamp * 1000, body: BODY }));
  assert.deepEqual(sign(SECRET, { id: ID, timestamp, body: Buffer.from(BODY) }), headers);
});

test('nobody signs with what is no secret', () => {
  for (const secret of ['', 'whsec_', 'whsec_c2hvcnQ=', 'in plain text'])
    assert.throws(() => sign(secret, { id: ID, timestamp: 1, body: BODY }), TypeError);
});
