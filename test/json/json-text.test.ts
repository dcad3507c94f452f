import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteLength, JsonTextError, parseJsonBytes, parseJsonText } from '../../src/json/json-text.ts';

const RUNS = { numRuns: 2_000, seed: 20_300_101 } as const;
const ANY_DEPTH = 1_000_000;

/** Strings in which quotes, backslashes, brackets and non-ASCII characters are common. */
const nastyText = fc.string({
  unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', ' ', '\n', 'a', 'é', '\u2028', '😀', '\u0000'),
});
const anyValue = fc.oneof(
  fc.jsonValue(),
  fc.dictionary(nastyText, fc.oneof(nastyText, fc.jsonValue(), fc.constant('__proto__'))),
);

/** The same value with white space wherever JSON allows it. */
function spaced(value: unknown, space: string): string {
  if (Array.isArray(value)) return `[${space}${value.map((each) => spaced(each, space)).join(`${space},${space}`)}${space}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}${space}:${space}${spaced(each, space)}`);
  return `{${space}${members.join(`${space},${space}`)}${space}}`;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test('the compact text is what JSON.stringify writes, however much white space was around', () => {
  const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 });
  fc.assert(
    fc.property(anyValue, space, (value, white) => {
      const document = parseJsonText(white + spaced(value, white) + white, ANY_DEPTH);
      assert.equal(document.compact, JSON.stringify(value));
      assert.deepEqual(document.value, JSON.parse(JSON.stringify(value)));
    }),
    RUNS,
  );
});

test('each member is cut out as JSON.parse would see it, and other names are absent', () => {
  const object = fc.dictionary(nastyText, fc.oneof(nastyText, fc.jsonValue()), { maxKeys: 6 });
  fc.assert(
    fc.property(object, nastyText, (value, other) => {
      const document = parseJsonText(spaced(value, ' '), ANY_DEPTH);
      for (const [key, each] of Object.entries(value)) assert.equal(document.member(key), JSON.stringify(each));
      assert.equal(document.member(other) === undefined, !Object.hasOwn(value, other));
    }),
    RUNS,
  );
});

test('of members with one name the last counts, also when one of them is written with escapes', () => {
  const written = fc.constantFrom('"data"', '"\\u0064ata"', '"d\\u0061ta"', '"dat\\u0061"', '"other"');
  fc.assert(
    fc.property(fc.array(fc.tuple(written, fc.jsonValue()), { minLength: 1, maxLength: 6 }), (members) => {
      const text = `{${members.map(([key, value]) => `${key}:${JSON.stringify(value)}`).join(',')}}`;
      const seen: unknown = Reflect.get(JSON.parse(text), 'data');
      const found = parseJsonText(text, ANY_DEPTH).member('data');
      assert.equal(found, seen === undefined ? undefined : JSON.stringify(seen));
    }),
    RUNS,
  );
});

test('exactly the texts that JSON.parse takes are taken', () => {
  const almost = fc
    .tuple(anyValue, fc.nat(), fc.constantFrom('', '"', '\\', '{', ']', ',', ' ', '\u00a0', '\ufeff', '0', 'e', '-'))
    .map(([value, at, piece]) => {
      const text = JSON.stringify(value);
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + piece + text.slice(cut + (at % 2));
    });
  let refused = 0;
  fc.assert(
    fc.property(fc.oneof(almost, nastyText, fc.string()), (text) => {
      if (parses(text)) {
        const document = parseJsonText(text, ANY_DEPTH);
        assert.deepEqual(document.value, JSON.parse(text));
        assert.deepEqual(JSON.parse(document.compact), JSON.parse(text));
        return;
      }
      refused++;
      assert.throws(
        () => parseJsonText(text, ANY_DEPTH),
        (error) => error instanceof JsonTextError && error.fault === 'syntax',
      );
    }),
    RUNS,
  );
  assert.ok(refused > 500, `only ${refused} texts were broken`);
});

test('the same member of each element of a list is cut out as if each element stood alone', () => {
  const element = fc.oneof(
    fc.dictionary(nastyText, fc.oneof(nastyText, fc.jsonValue()), { maxKeys: 4 }),
    fc.dictionary(fc.constantFrom('data', 'other'), fc.jsonValue()),
    fc.jsonValue(),
  );
  const space = fc.constantFrom('', ' ');
  fc.assert(
    fc.property(fc.array(element, { maxLength: 5 }), nastyText, space, (list, other, white) => {
      const document = parseJsonText(spaced({ before: list, list, after: [{ data: 1 }] }, white), ANY_DEPTH);
      for (const name of ['data', other]) {
        const alone = list.map((each) => parseJsonText(JSON.stringify(each), ANY_DEPTH).member(name));
        assert.deepEqual(document.memberOfEach('list', name), alone);
      }
    }),
    RUNS,
  );
});

test('of lists with one name the last counts, and what is no list has no elements', () => {
  const each = (text: string): unknown => parseJsonText(text, 64).memberOfEach('list', 'data');
  assert.deepEqual(each('{"list":[{"data":1}],"l\\u0069st":[{"data":2},{}, 3,{"data":4}]}'), ['2', undefined, undefined, '4']);
  assert.deepEqual(each('{"list":[{"data":1}],"list":{"data":2}}'), []);
  for (const text of [
    '{}',
    '{"list":[]}',
    '{"list":{"data":1}}',
    '{"other":[{"data":1}]}',
    '[{"list":[{"data":1}]}]',
    '"list"',
    '1',
  ])
    assert.deepEqual(each(text), [], text);
});

test('what a sender wrote is kept: numbers beyond 2^53, escapes, the order of keys, a key named __proto__', () => {
  const inner =
    '{"z":12345678901234567890,"a":1e400,"b":-0,"c":1.0,"\\u0041":"\\/\\u00e9","__proto__":{"x":[1]},"constructor":null}';
  assert.equal(parseJsonText(`{ "data" :\n${inner} }`, 64).member('data'), inner);
});

test('a value of undefined kind has no members', () => {
  for (const text of ['[]', '"a"', '1', 'null', '[{"data":1}]', '""'])
    assert.equal(parseJsonText(text, 64).member('data'), undefined);
  assert.equal(parseJsonText('{}', 64).member('data'), undefined);
  assert.equal(parseJsonText('{"a":{"data":1}}', 64).member('data'), undefined);
});

test('depth counts objects and arrays inside each other, brackets within texts do not', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  assert.doesNotThrow(() => parseJsonText(nested(64), 64));
  assert.throws(
    () => parseJsonText(nested(65), 64),
    (error) => error instanceof JsonTextError && error.fault === 'depth',
  );
  assert.throws(() => parseJsonText('{"a":'.repeat(65) + '1' + '}'.repeat(65), 64), { fault: 'depth' });
  assert.doesNotThrow(() => parseJsonText(JSON.stringify('['.repeat(1000)), 1));
  assert.doesNotThrow(() => parseJsonText(`[${'[],'.repeat(1000)}[]]`, 2));
  assert.throws(() => parseJsonText('['.repeat(5_000_000), 64), { fault: 'depth' });
});

test('bytes must be UTF-8; a byte order mark in front is not part of the text', () => {
  const bad = [
    [0x22, 0xff, 0x22],
    [0x22, 0xc0, 0x80, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0x22, 0xe2, 0x82],
  ];
  for (const bytes of bad)
    assert.throws(() => parseJsonBytes(Uint8Array.from(bytes), 64), { fault: 'syntax', message: 'the body is not UTF-8' });
  assert.equal(parseJsonBytes(Buffer.from('\ufeff{"a": "é😀"}'), 64).compact, '{"a":"é😀"}');
  // The one decoder is none the worse for what it refused.
  assert.equal(parseJsonBytes(Buffer.from('{"a":1}'), 64).compact, '{"a":1}');
});

test('the message of a fault says where, and holds nothing of the input', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 4, unit: fc.constantFrom('S', 'E', 'C', 'R', 'T') }), (canary) => {
      for (const text of [`{"a":${canary}}`, `"${canary}`, `{"${canary}" 1}`, `[${canary}`]) {
        assert.throws(
          () => parseJsonText(text, 64),
          (error) =>
            error instanceof JsonTextError &&
            !error.message.includes(canary) &&
            error.message.startsWith('the body is not valid JSON'),
        );
      }
    }),
    { numRuns: 100, seed: RUNS.seed },
  );
});

/** Texts whose shape would make a backtracking or rescanning reader quadratic. */
const hostile: Readonly<Record<string, (size: number) => string>> = {
  'a string of backslashes': (size) => `{"data":"${'\\\\'.repeat(size / 2)}"}`,
  'a string of escaped quotes': (size) => `{"data": "${'\\"'.repeat(size / 2)}"}`,
  'a string that does not end': (size) => `{"data":"${'\\"'.repeat(size / 2)}`,
  'white space': (size) => `{"data":${' '.repeat(size)}1}`,
  'white space that does not end': (size) => `{"data":${' '.repeat(size)}`,
  'quotes that do not fit': (size) => '"'.repeat(size + 1),
  'many members': (size) => `{${'"a":1,'.repeat(size / 6)}"data":1}`,
  'many members with one name in escapes': (size) => `{${'"\\u0064ata":1,'.repeat(size / 15)}"data":1}`,
  'many closing brackets': (size) => ']'.repeat(size),
  'many flat arrays': (size) => `{ "data":[${'[],'.repeat(size / 3)}[]]}`,
};

/** The quickest of some runs, which is the one that the machine disturbed least. */
function quickest(run: () => void): number {
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    run();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

function read(text: string): void {
  try {
    const document = parseJsonText(text, 64);
    document.member('data');
    document.memberOfEach('data', 'data');
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
  }
}

for (const [name, make] of Object.entries(hostile)) {
  test(`${name} takes time in proportion to its length`, () => {
    const small = make(60_000);
    const large = make(960_000);
    read(large);
    const factor =
      quickest(() => read(large)) /
      Math.max(
        quickest(() => read(small)),
        0.05,
      );
    // Sixteen times the length; a quadratic reader would take 256 times as long.
    assert.ok(factor < 120, `sixteen times the length took ${factor.toFixed(1)} times as long`);
  });
}

test('a text of many megabytes with nothing but escapes is read', () => {
  const text = `{ "data": "${'\\n'.repeat(8_000_000)}" }`;
  const document = parseJsonText(text, 64);
  assert.equal(document.compact.length, text.length - 3);
  assert.equal(byteLength(document.member('data') ?? ''), 16_000_002);
});
