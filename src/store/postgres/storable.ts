/** Which text PostgreSQL can hold, and what becomes of other text. */

/** It has no NUL; and what is no Unicode would be stored as another text, and two of them as one. */
export function isStorable(text: string | undefined): boolean {
  return text === undefined || (!text.includes('\0') && text.isWellFormed());
}

/** For looking something up: what cannot be stored is not there, and nothing has this name. */
export function sought(name: string): string {
  return isStorable(name) ? name : '';
}
