/** What stands in angle brackets in a recording: known from before, or known from the first line that has it. */
import assert from 'node:assert/strict';

const NAME = /<(\w[\w ]*)>/g;

export class Names {
  readonly #known = new Map<string, string>();

  set(name: string, value: string): void {
    this.#known.set(name, value);
  }

  /** Puts in what is known. `<9 x>` is nine times x. */
  fill(text: string): string {
    return text.replace(NAME, (mark, name: string) => {
      const [, count] = /^(\d+) x$/.exec(name) ?? [];
      return count === undefined ? (this.#known.get(name) ?? mark) : 'x'.repeat(Number(count));
    });
  }

  /**
   * What is not known yet is known from here on; but `<any>`, which is any text.
   * @throws AssertionError when this is not what was wanted
   */
  compare(got: string, wanted: string, message: string): void {
    const unknown: string[] = [];
    const pattern = this.fill(wanted).replace(/<(\w[\w ]*)>|[^\w\s]/g, (mark, name: string | undefined) => {
      if (name === undefined) return `\\${mark}`;
      unknown.push(name);
      return '(.*)';
    });
    const found = new RegExp(`^${pattern}$`, 's').exec(got);
    if (found === null) assert.equal(got, this.fill(wanted), message);
    for (const [index, name] of unknown.entries()) if (name !== 'any') this.set(name, found?.[index + 1] ?? '');
  }
}
