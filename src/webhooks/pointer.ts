/** JSON pointers (RFC 6901) into a parsed body: own members only, so that what everybody inherits is never found. */

/** What the pointer leads to; undefined where it leads nowhere. */
export function valueAt(document: unknown, pointer: string): unknown {
  const steps = pointer.split('/').slice(1);
  return steps.reduce(stepInto, document);
}

const INDEX = /^(0|[1-9]\d*)$/;

function stepInto(value: unknown, escaped: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const name = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
  // An array has a length, too, which is no part of the document.
  if (Array.isArray(value) && !INDEX.test(name)) return undefined;
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}
