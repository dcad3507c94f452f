/**
 * Whom the app can talk to, as objects: each is a target for the hub's lifetime.
 */
import { forgettable } from './forgettable.ts';
import type {
  ArgumentsOf,
  CallerClients,
  ClientProxy,
  Groups,
  HubClients,
  InvokeOptions,
  Methods,
  NameOf,
  Names,
  ResultOf,
  SingleClientProxy,
} from './hub-clients.ts';
import type { HubPeers, Viewer } from './hub-context.ts';
import type { HubLifetime, Target } from './hub-lifetime.ts';
import { PreparedInvocation } from './prepared-invocation.ts';

const noOne: ReadonlySet<string> = new Set();

/** Who looks from outside of any call is no connection, and keeps nobody waiting. */
const outsider: Viewer = { connectionId: '', wait: (invoke) => invoke() };

export class Peers<Client extends Methods> implements HubPeers<Client> {
  readonly #lifetime: HubLifetime;
  readonly groups: Groups;

  constructor(lifetime: HubLifetime) {
    this.#lifetime = lifetime;
    this.groups = {
      add: (connectionId, name) => lifetime.addToGroup(connectionId, name),
      remove: (connectionId, name) => lifetime.removeFromGroup(connectionId, name),
    };
  }

  seenBy(viewer: Viewer): CallerClients<Client> {
    return new TargetedClients<Client>(this.#lifetime, viewer);
  }

  seenFromOutside(): HubClients<Client> {
    return this.seenBy(outsider);
  }
}

class TargetedClients<Client extends Methods> implements CallerClients<Client> {
  readonly #lifetime: HubLifetime;
  readonly #viewer: Viewer;

  constructor(lifetime: HubLifetime, viewer: Viewer) {
    this.#lifetime = lifetime;
    this.#viewer = viewer;
  }

  get all(): ClientProxy<Client> {
    return this.#at({ kind: 'all', except: noOne });
  }

  get caller(): SingleClientProxy<Client> {
    return this.client(this.#viewer.connectionId);
  }

  get others(): ClientProxy<Client> {
    return this.allExcept([this.#viewer.connectionId]);
  }

  allExcept(connectionIds: Names): ClientProxy<Client> {
    return this.#at({ kind: 'all', except: new Set(connectionIds) });
  }

  client(connectionId: string): SingleClientProxy<Client> {
    return new ConnectionProxy<Client>(this.#lifetime, this.#viewer, connectionId);
  }

  clients(connectionIds: Names): ClientProxy<Client> {
    return this.#at({ kind: 'connections', ids: [...new Set(connectionIds)] });
  }

  group(name: string): ClientProxy<Client> {
    return this.groups([name]);
  }

  groups(names: Names): ClientProxy<Client> {
    return this.#at({ kind: 'groups', names: [...names], except: noOne });
  }

  groupExcept(name: string, connectionIds: Names): ClientProxy<Client> {
    return this.#at({ kind: 'groups', names: [name], except: new Set(connectionIds) });
  }

  othersInGroup(name: string): ClientProxy<Client> {
    return this.groupExcept(name, [this.#viewer.connectionId]);
  }

  user(id: string): ClientProxy<Client> {
    return this.users([id]);
  }

  users(ids: Names): ClientProxy<Client> {
    return this.#at({ kind: 'users', ids: [...new Set(ids)] });
  }

  #at(target: Target): ClientProxy<Client> {
    return new TargetProxy<Client>(this.#lifetime, target);
  }
}

class TargetProxy<Client extends Methods> implements ClientProxy<Client> {
  readonly #lifetime: HubLifetime;
  readonly #target: Target;

  constructor(lifetime: HubLifetime, target: Target) {
    this.#lifetime = lifetime;
    this.#target = target;
  }

  send<Name extends NameOf<Client>>(target: Name, ...args: ArgumentsOf<Client, Name>): Promise<void> {
    return this.#lifetime.send(this.#target, new PreparedInvocation(target, ...args));
  }
}

class ConnectionProxy<Client extends Methods> implements SingleClientProxy<Client> {
  readonly #lifetime: HubLifetime;
  readonly #viewer: Viewer;
  readonly #id: string;

  constructor(lifetime: HubLifetime, viewer: Viewer, id: string) {
    this.#lifetime = lifetime;
    this.#viewer = viewer;
    this.#id = id;
  }

  send<Name extends NameOf<Client>>(target: Name, ...args: ArgumentsOf<Client, Name>): Promise<void> {
    return this.#lifetime.send({ kind: 'connections', ids: [this.#id] }, new PreparedInvocation(target, ...args));
  }

  invoke<Name extends NameOf<Client>>(
    target: Name,
    args: ArgumentsOf<Client, Name>,
    options?: InvokeOptions,
  ): Promise<ResultOf<Client, Name>>;
  // What the client answers is what the app has said of it, which nothing here can check.
  invoke(target: string, args: readonly unknown[], options?: InvokeOptions): Promise<unknown> {
    if (!Array.isArray(args)) {
      throw new TypeError(`the arguments of ${target} must be a list: invoke('${target}', [...], options)`);
    }
    return forgettable(this.#viewer.wait(() => this.#lifetime.invoke(this.#id, { ...options, target, arguments: args })));
  }
}
