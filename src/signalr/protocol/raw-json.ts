/**
 * A value that is JSON text already. The JSON protocol splices it in unparsed; other protocols parse it.
 */

export class RawJson {
  readonly text: string;

  /** @param text one valid JSON value; it is trusted, only the record separator, which would tear the framing, is refused */
  constructor(text: string) {
    if (text.includes('\u001e')) throw new TypeError('JSON text must not contain the character U+001E');
    this.text = text;
  }

  /** The parsed value: for other protocols, and where this stands deep inside another value. */
  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}
