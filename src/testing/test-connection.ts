/**
 * One client of a test hub, and the ways to lose it.
 */
import type { CloseOptions, HubConnection } from '../signalr/index.ts';
import { HttpConnection } from '../signalr/transport/http-connection.ts';
import type { Traces } from './request-log.ts';

export class TestConnection {
  readonly id: string;
  readonly #hubConnection: HubConnection<unknown>;
  readonly #traces: Traces;

  constructor(hubConnection: HubConnection<unknown>, traces: Traces) {
    this.id = hubConnection.id;
    this.#hubConnection = hubConnection;
    this.#traces = traces;
  }

  get transport(): HubConnection<unknown>['transport'] {
    return this.#hubConnection.transport;
  }

  get userId(): string | undefined {
    return this.#hubConnection.userId;
  }

  /** Query and headers of the request that connected, without its secrets. */
  get request(): HubConnection<unknown>['request'] {
    return this.#hubConnection.request;
  }

  get isClosed(): boolean {
    return this.#hubConnection.isClosed;
  }

  /** Calls a method of this client, without an answer. */
  send(target: string, ...args: readonly unknown[]): void {
    this.#hubConnection.send(target, ...args);
  }

  /** The hub says good-bye, as it does when it closes a connection on purpose. */
  close(options?: CloseOptions): void {
    this.#hubConnection.close(options);
  }

  /** The transport ends in its orderly way (a WebSocket by a close frame), but the hub has said nothing: a proxy, for example. */
  closeTransport(): void {
    this.#traces.connection.close();
  }

  /** The network breaks: sockets end without a word. With stateful reconnect the client may come back as if nothing had been. */
  drop(): void {
    const { connection, pending } = this.#traces;
    for (const response of pending) response.destroy();
    if (connection instanceof HttpConnection) connection.lose(undefined);
    else connection.abort(new Error('dropped by the test'));
  }
}
