/** What is read out of a verified body. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RingbackError } from '../../src/errors.ts';
import { JsonTextError } from '../../src/json/json-text.ts';
import { readEvent, type ReadEvent } from '../../src/webhooks/event.ts';
import { valueAt } from '../../src/webhooks/pointer.ts';
import { presets } from '../../src/webhooks/presets.ts';
import type { WebhookSource } from '../../src/webhooks/source.ts';
import { newSecret, source } from './provider.ts';

const SECRETS = [newSecret()];

interface Told extends Partial<WebhookSource> {
  readonly id?: string;
}

function read(body: string | Uint8Array, { id = 'msg_1', ...rest }: Told = {}): ReadEvent {
  return readEvent(source(SECRETS, rest), presets['standard-webhooks'], { id, bytes: Buffer.from(body), maxDepth: 64 });
}

test('the transaction, the type and the data are where the source says that they are', () => {
  const event = read('{"type":"paid","data":{"reference":"order-7"}}');
  assert.deepEqual(event, {
    source: 'acme',
    eventHash: event.eventHash,
    recipient: { reference: 'order-7' },
    type: 'paid',
    data: '{"reference":"order-7"}',
  });
  const elsewhere = read('{"event":{"name":"a.b"},"for":["x",{"~/":"txn_1"}],"data":1}', {
    transaction: '/for/1/~0~1',
    type: '/event/name',
  });
  assert.deepEqual([elsewhere.recipient, elsewhere.type, elsewhere.data], [{ transactionId: 'txn_1' }, 'a.b', '1']);
});

test('the data is the text that was sent: great numbers, the order of keys, and keys of every name', () => {
  for (const data of [
    '{"n":12345678901234567890,"x":1.10,"e":1E+2}',
    '{"b":1,"a":2,"10":3,"2":4}',
    '{"__proto__":{"polluted":1},"constructor":2}',
    '"\\u00e9\\ud800"',
    'null',
    '[]',
  ])
    assert.equal(read(`{"data":${data}}`).data, data);
  assert.equal(read('{ "data" : { "a" : [ 1 , 2 ] } }').data, '{"a":[1,2]}');
  assert.equal(read('{"data":1,"data":2}').data, '2');
  for (const body of ['{}', '[1]', '"data"', '5', 'null', '{"Data":1}']) assert.equal(read(body).data, 'null');
  assert.equal(Reflect.get({}, 'polluted'), undefined);
});

test('a usable transaction is a text of 1 to 200 printable characters', () => {
  const recipient = (value: unknown): unknown => read(JSON.stringify({ data: { reference: value } })).recipient;
  for (const reference of ['a', 'order 7 / é 😀', '😀'.repeat(200), 'TXN_1', ' txn_1', '__proto__', '0'])
    assert.deepEqual(recipient(reference), { reference });
  for (const transactionId of ['txn_', 'txn_AAAA', `txn_${'a'.repeat(196)}`])
    assert.deepEqual(recipient(transactionId), { transactionId });
  for (const value of [
    undefined,
    null,
    '',
    7,
    2 ** 53 + 2,
    true,
    [],
    ['order-7'],
    { id: 'order-7' },
    'a\nb',
    'a\u0000',
    '\u200b',
    '\u2028',
    'a'.repeat(201),
    `txn_${'a'.repeat(197)}`,
  ])
    assert.equal(recipient(value), undefined, JSON.stringify(value)?.slice(0, 40));
  assert.equal(read('{"data":{"reference":"\\ud800"}}').recipient, undefined, 'half a character');
});

test('what could not be the type of a message is one of type webhook, and not lost', () => {
  const type = (value: unknown): string => read(JSON.stringify({ type: value })).type;
  for (const good of ['paid', 'a.B:9_/-', 'x'.repeat(100)]) assert.equal(type(good), good);
  for (const bad of [undefined, null, '', 7, {}, ['paid'], 'has space', 'é', 'x'.repeat(101), 'paid\n'])
    assert.equal(type(bad), 'webhook');
});

test('an id of 1 to 200 printable characters is usable, read as the UTF-8 that it was sent as', () => {
  const sent = (text: string): string => Buffer.from(text).toString('latin1');
  const hashes = ['msg_1', 'msg_2', 'with space', sent('é'), sent('😀'.repeat(200)), 'a'.repeat(200), 'MSG_1'].map(
    (id) => read('{}', { id }).eventHash,
  );
  assert.equal(new Set(hashes).size, hashes.length);
  for (const hash of hashes) assert.match(hash, /^[\w-]{43}$/);
  assert.equal(read('{"other":1}', { id: 'msg_1' }).eventHash, hashes[0], 'the body is no part of it');
  for (const id of ['a'.repeat(201), sent('😀'.repeat(201)), 'a\tb', '\u00e9', '\u00ff', sent('\u200b'), sent('a\ufeff')])
    assert.throws(
      () => read('{}', { id }),
      (error) => error instanceof RingbackError && error.code === 'invalid_request' && error.faults?.[0]?.field === 'webhook-id',
      id.slice(0, 20),
    );
});

test('no two pairs of source and event have one hash, whatever characters are in them', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', ':', '_', '|', '*', '/', '"', ',', '[', ']', '\\', ' '), minLength: 1 });
  const pair = fc.tuple(piece, piece);
  fc.assert(
    fc.property(pair, pair, ([nameA, idA], [nameB, idB]) => {
      const [a, b] = [read('{}', { name: nameA, id: idA }), read('{}', { name: nameB, id: idB })];
      assert.equal(a.eventHash === b.eventHash, nameA === nameB && idA === idB);
    }),
  );
  const [joined, apart] = [read('{}', { name: 'a', id: 'b","c' }), read('{}', { name: 'a","b', id: 'c' })];
  assert.notEqual(joined.eventHash, apart.eventHash);
});

test('a body that is no JSON, no UTF-8 or too deep is told apart', () => {
  const fault = (body: string | Uint8Array): string => {
    try {
      read(body);
    } catch (error) {
      assert.ok(error instanceof JsonTextError);
      return error.fault;
    }
    return 'none';
  };
  assert.equal(fault(''), 'syntax');
  assert.equal(fault('{"a":1'), 'syntax');
  assert.equal(fault('id=tr_1'), 'syntax');
  assert.equal(fault(Buffer.from([0x22, 0xff, 0x22])), 'syntax');
  assert.equal(fault('['.repeat(64) + ']'.repeat(64)), 'none');
  assert.equal(fault('['.repeat(65) + ']'.repeat(65)), 'depth');
  assert.equal(fault('['.repeat(500_000)), 'depth');
});

/** Id, time and body are joined by dots: a text that a customer may choose can hold a second place to cut it. */
test('a signed text that is cut at another place, which its signature does not tell, is no event', () => {
  const time = '1893456000';
  const forged = '{"type":"paid","data":{"reference":"another order"}}';
  const chosen = fc.oneof(
    fc.constant(forged),
    fc.json(),
    fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', ' ', '0', 'n') }),
  );
  let cuts = 0;
  fc.assert(
    fc.property(chosen, chosen, (first, second) => {
      const body = JSON.stringify({ note: `a.${time}.${first}`, [`b.${time}.`]: [`.${time}.${second}`, second], c: 1 });
      const pieces = `msg_1.${time}.${body}`.split(`.${time}.`);
      for (let at = 2; at < pieces.length; at++) {
        const id = pieces.slice(0, at).join(`.${time}.`).slice(0, 200);
        const rest = pieces.slice(at).join(`.${time}.`);
        assert.throws(() => read(rest, { id }), JsonTextError, rest);
        cuts++;
      }
    }),
  );
  assert.ok(cuts >= 300, `only ${cuts} cuts were tried`);
});

test('a pointer finds what RFC 6901 says that it finds', () => {
  const document = JSON.parse(
    '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8,"~1":9,"/":10}',
  );
  const found = ['', '/foo', '/foo/0', '/', '/a~1b', '/c%d', '/e^f', '/g|h', '/i\\j', '/k"l', '/ ', '/m~0n', '/~01', '/~1'];
  const values = [document, ['bar', 'baz'], 'bar', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  assert.deepEqual(
    found.map((pointer) => valueAt(document, pointer)),
    values,
  );
});

test('a pointer finds own members only, and of a list only its elements', () => {
  const document: unknown = JSON.parse('{"list":["a"],"text":"abc","own":{"__proto__":{"x":1},"constructor":2}}');
  for (const pointer of [
    '/constructor',
    '/__proto__',
    '/toString',
    '/list/length',
    '/list/-',
    '/list/1',
    '/list/00',
    '/list/-1',
    '/list/0.0',
    '/list/ 0',
    '/list/0/0',
    '/list/map',
    '/text/0',
    '/text/length',
    '/own/toString',
    '/own/__proto__/toString',
    '/nothing/at/all',
  ])
    assert.equal(valueAt(document, pointer), undefined, pointer);
  assert.equal(valueAt(document, '/own/__proto__/x'), 1);
  assert.equal(valueAt(document, '/own/constructor'), 2);
});
