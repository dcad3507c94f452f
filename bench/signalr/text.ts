/** The text of every call, the same for every peer: 300 characters with the message's number in them, which no protocol changes. */

const TEXT_LENGTH = 300;
const DIGITS = 12;
const MARK = 35; // '#'
const ZERO = 48;

export function textWith(number: number): string {
  return `#${String(number).padStart(DIGITS, '0')}#`.padEnd(TEXT_LENGTH, 'x');
}

/** The number in the buffer of a call becomes this one. */
export function renumber(bytes: Buffer, number: number): void {
  bytes.write(String(number).padStart(DIGITS, '0'), bytes.indexOf(MARK) + 1, 'latin1');
}

/** Calls back with the number of each whole text among these bytes. */
export function eachNumber(
  { bytes, start, end }: { readonly bytes: Buffer; readonly start: number; readonly end: number },
  take: (number: number) => void,
): void {
  for (let at = bytes.indexOf(MARK, start); at !== -1 && at < end; at = bytes.indexOf(MARK, at + TEXT_LENGTH)) {
    if (at + TEXT_LENGTH > end) throw new Error('a text without its end');
    let number = 0;
    for (let digit = 1; digit <= DIGITS; digit++) number = 10 * number + (bytes[at + digit] ?? 0) - ZERO;
    take(number);
  }
}
