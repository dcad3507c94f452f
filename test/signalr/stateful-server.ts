/** A hub whose clients may come back, its clock in the test's hand, and the bare wire to it. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { allowAnybody, type EndpointOptions, Hub, type HubConnection, type HubOptions } from '../../src/signalr/index.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { type HubServer, startHubServer } from './hub-server.ts';
import { negotiate, type Negotiated, RawSocket } from './raw-client.ts';

export const shake2 = '{"protocol":"json","version":2}\u001e';

type Seen = HubConnection<string>;

export interface StatefulServer extends HubServer<string> {
  readonly hub: Hub<string>;
  readonly clock: ManualClock;
  /** Those that are connected, by id. */
  readonly connections: ReadonlyMap<string, Seen>;
  /** Why connections ended, in order: the error's text, or `in order`. */
  readonly ends: readonly string[];
  /** What `note` was called with, in order. */
  readonly noted: readonly unknown[];
  /** Until the server has noticed that all WebSockets are gone. */
  alone(): Promise<void>;
}

export interface StatefulOptions {
  readonly hub?: Partial<HubOptions<string>>;
  readonly endpoint?: Partial<EndpointOptions<string>>;
}

export async function startStateful({ hub = {}, endpoint = {} }: StatefulOptions = {}): Promise<StatefulServer> {
  const clock = new ManualClock();
  const connections = new Map<string, Seen>();
  const ends: string[] = [];
  const noted: unknown[] = [];
  const served = new Hub<string>({
    clock,
    enableDetailedErrors: true,
    ...hub,
    methods: {
      echo: (_context, value) => value,
      note: (_context, value) => void noted.push(value),
      id: ({ connection }) => connection.id,
      bye: ({ connection }) => connection.close(),
      ...hub.methods,
    },
    onConnected: ({ connection }) => void connections.set(connection.id, connection),
    onDisconnected({ connection }, error) {
      connections.delete(connection.id);
      ends.push(error?.message ?? 'in order');
    },
  });
  const authenticate = (): { principal: string } => ({ ...allowAnybody(), principal: 'ada' });
  const server = await startHubServer<string>({ handler: served, authenticate, clock, statefulReconnect: true, ...endpoint });
  const open = new Set<object>();
  server.server.on('upgrade', (_request, socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  const alone = (): Promise<void> => eventually('no WebSocket is left', async () => open.size === 0);
  return {
    ...server,
    hub: served,
    clock,
    connections,
    ends,
    noted,
    alone,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export function negotiateStateful(base: string): Promise<Negotiated> {
  return negotiate(base, 'useStatefulReconnect=true');
}

export interface Joined extends Negotiated {
  readonly socket: RawSocket;
}

/** Through the handshake. */
export async function joinStateful(base: string): Promise<Joined> {
  const negotiated = await negotiateStateful(base);
  const socket = await RawSocket.join(negotiated.url, shake2);
  return { ...negotiated, socket };
}

/** Without a good-bye. */
export async function cut({ webSocket }: RawSocket): Promise<void> {
  webSocket.terminate();
  if (webSocket.readyState !== WebSocket.CLOSED) await once(webSocket, 'close');
}

export function text(...messages: readonly object[]): string {
  return messages.map((message) => `${JSON.stringify(message)}\u001e`).join('');
}

export function call(target: string, ...args: readonly unknown[]): object {
  return { type: 1, target, arguments: args };
}

export function sequence(sequenceId: number): object {
  return { type: 9, sequenceId };
}

export function ack(sequenceId: number): object {
  return { type: 8, sequenceId };
}

/** Of the answer to an upgrade: 101 if it is accepted. */
export async function upgradeStatus(url: string, headers: Record<string, string> = {}): Promise<number | undefined> {
  using socket = new RawSocket(url, headers);
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  socket.webSocket.once('unexpected-response', (_request, { statusCode }) => resolve(statusCode));
  socket.webSocket.once('open', () => resolve(101));
  return await promise;
}
