/** The dialects by name. */
import { aspnetDialect } from './aspnet.ts';
import type { Credentials, Dialect } from './dialect.ts';
import { ringbackDialect } from './ringback.ts';
import { socketIoDialect } from './socket-io.ts';
import { wsDialect } from './ws.ts';

export const dialects = {
  ringback: ringbackDialect,
  ws: wsDialect,
  'socket.io': socketIoDialect,
  aspnet: aspnetDialect,
} as const satisfies Record<string, (credentials: Credentials) => Dialect>;

export type DialectName = keyof typeof dialects;
