/** The hubs that `--signalr` measures. */
import socketIo from 'socket.io/package.json' with { type: 'json' };
import { aspnetPeer } from '../peers/aspnet.ts';
import { builtPackage } from '../peers/build.ts';
import { minimalServer } from '../peers/peer.ts';
import type { Program } from '../server-process.ts';
import type { HubPeer } from './scenarios.ts';

export interface RunnableHub extends HubPeer {
  /** Once, before `program`. @throws PeerMissing when this machine cannot run it */
  prepare(): Promise<void>;
  program(): Program | Promise<Program>;
}

/** @param checkout whose package is measured @param variant what tells it from others */
export function ringbackHub(checkout: string, variant?: string): RunnableHub {
  let folder = '';
  return {
    name: variant === undefined ? 'ringback' : `ringback ${variant}`,
    title: 'ringback/signalr: a hub on node:http',
    speech: 'json',
    binarySpeech: 'messagepack',
    async prepare() {
      folder = await builtPackage(checkout);
    },
    program: () => minimalServer('signalr-hub.ts', folder),
  };
}

export const socketIoHub: RunnableHub = {
  name: 'socket.io',
  title: `Socket.IO ${socketIo.version} on node:http: acknowledged events, a room for each user`,
  speech: 'socket.io',
  prepare: async () => undefined,
  program: () => minimalServer('socket-io-hub.ts'),
};

export const aspnetHub: RunnableHub = {
  name: 'aspnet',
  title: aspnetPeer.title.replace(/:.*/, ': a hub'),
  speech: 'json',
  prepare: async () => aspnetPeer.prepare?.(),
  program: () => aspnetPeer.program(),
};
