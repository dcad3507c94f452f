/**
 * What all generations of the official JavaScript client have in common, as far as the tests use it. No imports: browsers run it too.
 */

export type TransportName = 'WebSockets' | 'ServerSentEvents' | 'LongPolling';
export type ProtocolName = 'json' | 'messagepack';

export interface Client {
  readonly connectionId: string | null | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
  invoke(target: string, ...args: unknown[]): Promise<unknown>;
  send(target: string, ...args: unknown[]): Promise<void>;
  stream(target: string, ...args: unknown[]): Streamed;
  on(target: string, handler: (...args: unknown[]) => unknown): void;
  onclose(handler: (error?: Error) => void): void;
  onreconnecting(handler: (error?: Error) => void): void;
  onreconnected(handler: (connectionId?: string) => void): void;
}

export interface Streamed {
  subscribe(subscriber: Subscriber): { dispose(): void };
}

export interface Subscriber {
  next(item: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

/** An upload stream: what is passed as an argument, and fed afterwards. */
export interface Subject extends Subscriber {}

export interface ConnectOptions {
  readonly transport?: number;
  readonly skipNegotiation?: boolean;
  readonly accessTokenFactory?: () => string;
}

export interface Builder {
  withUrl(url: string, options: ConnectOptions): this;
  /** @param protocol one of the official ones */
  withHubProtocol(protocol: unknown): this;
  withAutomaticReconnect(delaysMs: readonly number[]): this;
  /** Since 8. */
  withStatefulReconnect?(): this;
  configureLogging(level: number): this;
  build(): Client;
}

export interface Library {
  readonly VERSION: string;
  readonly HubConnectionBuilder: new () => Builder;
  readonly Subject: new () => Subject;
  readonly HttpTransportType: Readonly<Record<TransportName, number>>;
  readonly LogLevel: { readonly None: number };
}

/** With the major version that tells what it can do. */
export interface Generation {
  readonly major: number;
  readonly library: Library;
  /** A fresh one of the official MessagePack protocol. */
  createMessagePack(): unknown;
}
