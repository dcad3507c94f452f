/** Values as recordings write them: members in one order, whatever the order on the wire. */

/** Of a message; what is not here comes behind, by its name. */
const ORDER = ['type', 'invocationId', 'target', 'arguments', 'streamIds', 'item', 'result', 'error'];

/** As JSON, with `{"$bin":"0102"}` and `{"$time":"2018-01-01T11:24:00.000Z"}` for what that does not have. */
export function inOrder(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inOrder).join(',')}]`;
  if (value instanceof Uint8Array) return inOrder({ $bin: Buffer.from(value).toString('hex') });
  if (value instanceof Date) return inOrder({ $time: value.toISOString() });
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const rank = (name: string): string => `${ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length} ${name}`;
  const names = Object.keys(value).toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
  return `{${names.map((name) => `${JSON.stringify(name)}:${inOrder(Reflect.get(value, name))}`).join(',')}}`;
}
