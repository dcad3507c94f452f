/**
 * JSON handled as text: checked, measured and cut out of a body without being rebuilt, so that what a sender wrote (numbers
 * beyond 2^53, the order of keys, a key named `__proto__`) reaches the page as it was sent.
 */

/** A body that is not JSON, or is nested too deeply. The message never holds a piece of the input. */
export class JsonTextError extends Error {
  override readonly name = 'JsonTextError';
  readonly fault: 'syntax' | 'depth';

  constructor(fault: 'syntax' | 'depth', message: string) {
    super(message);
    this.fault = fault;
  }
}

/** A valid JSON text with what is worth knowing about it. */
export interface JsonDocument {
  readonly value: unknown;
  /** The same document without white space between its tokens. */
  readonly compact: string;
  /** The member of the top-level object as compact text; of members with one name the last, as `JSON.parse` takes it. */
  member(name: string): string | undefined;
  /**
   * The same member of each element of a list, which is itself a member of the top-level object: undefined for an element
   * that has none. Found in one walk over the list, without parsing it again. Empty where there is no such list.
   */
  memberOfEach(list: string, name: string): readonly (string | undefined)[];
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * @param maxDepth objects and arrays inside each other, the outermost counting 1
 * @throws JsonTextError
 */
export function parseJsonBytes(bytes: Uint8Array, maxDepth: number): JsonDocument {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new JsonTextError('syntax', 'the body is not UTF-8');
  }
  return parseJsonText(text, maxDepth);
}

/** @throws JsonTextError */
export function parseJsonText(text: string, maxDepth: number): JsonDocument {
  // Measured before it is parsed: the walk is flat, whatever comes.
  const shape = scan(text);
  if (shape.depth > maxDepth) {
    throw new JsonTextError('depth', `the JSON is nested more than ${maxDepth} levels deep`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new JsonTextError('syntax', `the body is not valid JSON${position(error)}`);
  }
  const compact = shape.hasSpace ? withoutSpace(text) : text;
  return {
    value,
    compact,
    member: (name) => memberOf(compact, name),
    memberOfEach: (list, name) => memberOfEach(compact, list, name),
  };
}

/** The text of the object or array that a text begins with, whatever stands behind it; undefined: none that ends. */
export function firstContainer(text: string): string | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === 0x7b || code === 0x5b) depth++;
    else if ((code === 0x7d || code === 0x5d) && --depth <= 0) return text.slice(0, at + 1);
    if (depth === 0 && code > SPACE) return undefined;
  }
  return undefined;
}

/** The bytes of a text in UTF-8. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** V8 quotes the input in its messages; only the place may be told. */
function position(error: unknown): string {
  const found = error instanceof Error ? /at position (\d+)/.exec(error.message) : null;
  return found === null ? '' : ` (at character ${found[1]})`;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;

/** Depth, and whether white space stands between tokens; right for every valid text, harmless for others. */
function scan(text: string): { depth: number; hasSpace: boolean } {
  let depth = 0;
  let deepest = 0;
  let hasSpace = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
    else if (code <= SPACE) hasSpace = true;
  }
  return { depth: deepest, hasSpace };
}

/** The index of the quote that ends the string begun at `start`, or of the last character. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote === -1) return text.length - 1;
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote;
    at = quote + 1;
  }
}

/** By hand: a regular expression over a string of millions of escapes overflows its stack. */
function withoutSpace(text: string): string {
  let compact = '';
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code <= SPACE) {
      compact += text.slice(from, at);
      from = at + 1;
    }
  }
  return compact + text.slice(from);
}

function memberOf(compact: string, name: string): string | undefined {
  return compact.startsWith('{') ? lastMember(compact, 0, name).value : undefined;
}

function memberOfEach(compact: string, list: string, name: string): readonly (string | undefined)[] {
  let found: (string | undefined)[] = [];
  if (!compact.startsWith('{')) return found;
  for (let at = 1; compact.charCodeAt(at) === QUOTE;) {
    const keyEnd = endOfString(compact, at);
    const isList = isKey(compact.slice(at, keyEnd + 1), list);
    // Of lists with one name, too, the last counts.
    if (isList) found = [];
    at = 1 + (isList ? collectMembers(compact, keyEnd + 2, { name, found }) : endOfValue(compact, keyEnd + 2));
  }
  return found;
}

interface Collection {
  readonly name: string;
  readonly found: (string | undefined)[];
}

/** Adds that member of each element of the list that begins at `start`; returns the index behind it, or behind what is no list. */
function collectMembers(compact: string, start: number, { name, found }: Collection): number {
  if (compact.charCodeAt(start) !== 0x5b) return endOfValue(compact, start);
  let at = start + 1;
  while (compact.charCodeAt(at) !== 0x5d) {
    const isObject = compact.charCodeAt(at) === 0x7b;
    const { value, end } = isObject ? lastMember(compact, at, name) : { value: undefined, end: endOfValue(compact, at) };
    found.push(value);
    at = compact.charCodeAt(end) === 0x2c ? end + 1 : end;
  }
  return at + 1;
}

/** The last member of this name of the compact, valid object that begins at `start`, and the index behind that object. */
function lastMember(compact: string, start: number, name: string): { readonly value: string | undefined; readonly end: number } {
  let value: string | undefined;
  let at = start + 1;
  while (compact.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfString(compact, at);
    const valueEnd = endOfValue(compact, keyEnd + 2);
    if (isKey(compact.slice(at, keyEnd + 1), name)) value = compact.slice(keyEnd + 2, valueEnd);
    at = valueEnd + 1;
  }
  // An empty object is not walked past its bracket.
  return { value, end: at === start + 1 ? at + 1 : at };
}

/** @param quoted as it is written, perhaps with escapes */
function isKey(quoted: string, name: string): boolean {
  return quoted.includes('\\') ? JSON.parse(quoted) === name : quoted.slice(1, -1) === name;
}

/** The index behind the value that begins at `start`: that of the comma or bracket which ends it. */
function endOfValue(compact: string, start: number): number {
  let depth = 0;
  for (let at = start; at < compact.length; at++) {
    const code = compact.charCodeAt(at);
    if (code === QUOTE) at = endOfString(compact, at);
    else if (code === 0x7b || code === 0x5b) depth++;
    else if (code === 0x7d || code === 0x5d) {
      if (depth === 0) return at;
      depth--;
    } else if (code === 0x2c && depth === 0) return at;
  }
  return compact.length;
}
