/** What a node is called among its peers: in their directory, in connection rows, and in the tokens of its connections. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

const LONGEST_HOST = 32;

/**
 * The machine's name for people, and eight random digits: another one after each start, so that what a dead node has left is
 * told from what its successor has. At most 41 characters, each safe in a URL.
 */
export function createNodeName(): string {
  const host = hostname()
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .slice(0, LONGEST_HOST);
  return `${host}-${randomBytes(4).toString('hex')}`;
}
