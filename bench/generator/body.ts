/** The body of every message, the same for every peer: 300 bytes of JSON with the message's number in it. */

export const BODY_BYTES = 300;

const MARK = Buffer.from('number:');
const DIGITS = 12;
const ZERO = 48;

const before = '{"type":"note","data":{"text":"';
const after = `","token":"${MARK.toString('latin1')}${'0'.repeat(DIGITS)}"}}`;
const TEXT = before + 'x'.repeat(BODY_BYTES - before.length - after.length) + after;

/** The body with number 0. */
export function makeBody(): Buffer {
  return Buffer.from(TEXT);
}

/** @param at where the body begins in `bytes` */
export function writeNumber(bytes: Buffer, at: number, number: number): void {
  let rest = number;
  for (let position = at + BODY_BYTES - 4; position > at + BODY_BYTES - 4 - DIGITS; position--) {
    const next = Math.floor(rest / 10);
    bytes[position] = ZERO + rest - next * 10;
    rest = next;
  }
}

/** The number of the message whose body, or what a server made of it, is among these bytes; 0 if there is none. */
export function findNumber(bytes: Buffer, start: number, end: number): number {
  const mark = bytes.indexOf(MARK, start);
  const from = mark + MARK.length;
  if (mark === -1 || from + DIGITS > end) return 0;
  return readDigits(bytes, from);
}

/** The decimal number that begins at `at`. */
export function readDigits(bytes: Buffer, at: number): number {
  let number = 0;
  for (let position = at; ; position++) {
    const digit = (bytes[position] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return number;
    number = number * 10 + digit;
  }
}
