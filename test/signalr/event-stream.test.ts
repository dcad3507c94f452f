import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventOf } from '../../src/signalr/protocol/event-stream.ts';

/** As the standard has it for one event: what the client's `onmessage` gets. @see HTML, "Interpreting an event stream" */
function dataOf(event: string): string {
  const lines = event.split(/\r\n|\n|\r/);
  assert.deepEqual(lines.splice(-2), ['', ''], 'an event ends with one empty line');
  assert.ok(lines.every((line) => line.startsWith('data: ')));
  return lines.map((line) => line.slice('data: '.length)).join('\n');
}

for (const [data, event] of [
  ['{}\u001e', 'data: {}\u001e\r\n\r\n'],
  ['one\ntwo\r\nthree', 'data: one\r\ndata: two\r\ndata: three\r\n\r\n'],
  ['one\n', 'data: one\r\ndata: \r\n\r\n'],
  ['one\rtwo', 'data: one\r\ndata: two\r\n\r\n'],
  ['\r\n\n', 'data: \r\ndata: \r\ndata: \r\n\r\n'],
  ['ä\n😀', 'data: ä\r\ndata: 😀\r\n\r\n'],
] as const) {
  test(`${JSON.stringify(data)} is one event, with a field for each line`, () => {
    assert.equal(eventOf(Buffer.from(data)).toString(), event);
  });
}

test('whatever the data, the client gets it as it was, but for how its lines end', () => {
  const piece = fc.oneof(fc.constantFrom('\r', '\n', '\r\n', ':', 'data: '), fc.string({ unit: 'grapheme' }));
  fc.assert(
    fc.property(
      fc.array(piece).map((pieces) => pieces.join('')),
      (data) => {
        assert.equal(dataOf(eventOf(Buffer.from(data)).toString()), data.replaceAll(/\r\n|\r/g, '\n'));
      },
    ),
  );
});
