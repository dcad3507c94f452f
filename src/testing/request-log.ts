/**
 * The requests that came to a test hub, and which of them are still under way for a connection.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Connection, ConnectionHandler, EndpointRequest, RequestKind } from '../signalr/index.ts';

/** As it came, its secrets included: this is a test. */
export interface TestRequest {
  readonly kind: RequestKind;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** Of the header or the query. */
  readonly accessToken: string | undefined;
}

/** What is needed to cut a connection off. */
export interface Traces {
  readonly connection: Connection<unknown>;
  /** Its requests that are not answered, or whose answer goes on. */
  readonly pending: ReadonlySet<ServerResponse>;
}

export class RequestLog {
  readonly #all: TestRequest[] = [];
  readonly #responses = new WeakMap<IncomingMessage, ServerResponse>();
  readonly #pending = new Map<string, Set<ServerResponse>>();
  readonly #connections = new Map<string, Connection<unknown>>();

  get all(): readonly TestRequest[] {
    return this.#all;
  }

  begin(request: IncomingMessage, response: ServerResponse): void {
    this.#responses.set(request, response);
  }

  add({ kind, url, incoming, connectionId }: EndpointRequest<unknown>): void {
    const { headers } = incoming;
    const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
    this.#all.push({ kind, url, headers, accessToken: bearer ?? url.searchParams.get('access_token') ?? undefined });
    const response = this.#responses.get(incoming);
    if (response === undefined || connectionId === undefined) return;
    const pending = this.#pendingOf(connectionId);
    pending.add(response);
    response.once('close', () => pending.delete(response));
  }

  /** The same handler, each of whose connections is known here until it ends. */
  watching(handler: ConnectionHandler<unknown>): ConnectionHandler<unknown> {
    return {
      open: (connection, transport) => {
        this.#connections.set(connection.id, connection);
        const application = handler.open(connection, transport);
        return {
          receive: (chunk) => application.receive(chunk),
          writable: () => application.writable(),
          heartbeat: (now) => application.heartbeat(now),
          shutdown: () => application.shutdown(),
          ended: (error) => {
            this.#connections.delete(connection.id);
            this.#pending.delete(connection.id);
            application.ended(error);
          },
        };
      },
    };
  }

  /** @throws TypeError when there is no such connection */
  tracesOf(connectionId: string): Traces {
    const connection = this.#connections.get(connectionId);
    if (connection === undefined) throw new TypeError(`there is no connection ${connectionId}`);
    return { connection, pending: this.#pendingOf(connectionId) };
  }

  #pendingOf(connectionId: string): Set<ServerResponse> {
    const pending = this.#pending.get(connectionId) ?? new Set();
    this.#pending.set(connectionId, pending);
    return pending;
  }
}
