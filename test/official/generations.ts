/** The generations of the official JavaScript client that run in Node. */
import { createRequire } from 'node:module';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import type { Generation, Library } from './library.ts';

// The fifth takes a fetch for a browser's and binds it to `self`, which Node does not have.
Object.assign(globalThis, { self: globalThis });

const load = createRequire(import.meta.url);

function generation(major: number, name = `signalr-${major}`): Generation {
  // Each has types of its own, which differ where the tests do not look.
  const library: Library = load(name);
  return { major, library, createMessagePack: () => new MessagePackHubProtocol() };
}

/** Oldest first. */
export const generations: readonly Generation[] = [
  generation(5),
  generation(6),
  generation(7),
  generation(8),
  generation(9),
  generation(10, '@microsoft/signalr'),
];
