/**
 * Data as events of a stream: one event for each flush, without a name or an id. Pure bytes.
 *
 * @see TransportProtocols.md, "Server-Sent Events (Server-to-Client only)"
 */
const LF = 0x0a;
const CR = 0x0d;
const FIELD = Buffer.from('data: ');
const LINE_END = Buffer.from('\r\n');

/** Says nothing, but lets the client see that the stream has begun. */
export const firstComment = ':\r\n';

/** Clients put the lines together again with line feeds between them, however they were ended before. */
export function eventOf(data: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (const line of linesOf(data)) parts.push(FIELD, line, LINE_END);
  return Buffer.concat([...parts, LINE_END]);
}

/** A carriage return alone ends a line too: to clients it would, and what comes behind it would be lost. */
function linesOf(data: Buffer): Buffer[] {
  if (!data.includes(LF) && !data.includes(CR)) return [data];
  const lines: Buffer[] = [];
  let from = 0;
  for (let at = 0; at < data.length; at++) {
    if (data[at] !== LF && data[at] !== CR) continue;
    lines.push(data.subarray(from, at));
    if (data[at] === CR && data[at + 1] === LF) at++;
    from = at + 1;
  }
  return [...lines, data.subarray(from)];
}
