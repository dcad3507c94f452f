/**
 * A hub: what all its connections share. Opens one session for each.
 */
import type { Application, Connection, ConnectionHandler } from './transport/connection.ts';
import type { TransportName } from './protocol/negotiate.ts';
import type { AnyMethods, Groups, HubClients, Methods } from './hub/hub-clients.ts';
import { type HubOptions, type HubSettings, resolveHubOptions } from './hub/hub-options.ts';
import { HubSession } from './session/hub-session.ts';

export class Hub<P, Items = unknown, Client extends Methods = AnyMethods> implements ConnectionHandler<P> {
  readonly #settings: HubSettings<P, Items, Client>;

  /** @throws TypeError when an option is unknown or not what it must be, or two methods have the same name but for case */
  constructor(options: HubOptions<P, Items, Client>) {
    this.#settings = resolveHubOptions(options);
  }

  /** Whom to talk to from outside of any call: in a route, a timer, a webhook. */
  get clients(): HubClients<Client> {
    return this.#settings.peers.seenFromOutside();
  }

  get groups(): Groups {
    return this.#settings.peers.groups;
  }

  open(connection: Connection<P>, transport: TransportName): Application {
    return new HubSession(this.#settings, connection, transport);
  }
}
