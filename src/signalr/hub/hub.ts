/**
 * A hub: what all its connections share. Opens one session for each.
 */
import type { Application, Connection, ConnectionHandler } from '../transport/connection.ts';
import type { TransportName } from '../protocol/negotiate.ts';
import { type HubOptions, type HubSettings, resolveHubOptions } from './hub-options.ts';
import { HubSession } from './hub-session.ts';

export class Hub<P, Items = unknown> implements ConnectionHandler<P> {
  readonly #settings: HubSettings<P, Items>;

  /** @throws TypeError when a limit is not a positive integer or two methods have the same name but for case */
  constructor(options: HubOptions<P, Items>) {
    this.#settings = resolveHubOptions(options);
  }

  open(connection: Connection<P>, transport: TransportName): Application {
    return new HubSession(this.#settings, connection, transport);
  }
}
