/**
 * This node among its peers: passes requests on to them, and answers what they pass on to it. Which nodes there are, and what
 * only they know, it is told.
 */
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import type { EndpointCluster } from '../../signalr/index.ts';
import { isWildcard } from '../listen-address.ts';
import { CachedDirectory, type NodeDirectory } from './directory.ts';
import { Forwarder } from './forwarder.ts';
import { peerAddressText } from './peer-address.ts';
import { PeerServer, type PeerServerOptions } from './peer-server.ts';

/** The directory of all nodes, in which this one has a place. */
export interface NodeRegistry extends NodeDirectory {
  /** This node: 1 to 64 of `A-Z`, `a-z`, `0-9`, `_` and `-`. Another one after each start. */
  readonly node: string;
  /** Says to all where this node is reached by its peers. */
  announce(address: string): Promise<void>;
}

export interface PeersOptions {
  readonly registry: NodeRegistry;
  /** At least 32 secret bytes, the same at every node, and known to nobody else. */
  readonly key: Uint8Array;
  /** An address of this machine that the others can reach, as far as the store can tell. */
  readonly localHost: string;
  /** Where to listen for peers. Default: `localHost`. */
  readonly host?: string | undefined;
  /** 0: any free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Peers implements AsyncDisposable {
  readonly #options: PeersOptions;
  readonly #forwarder: Forwarder;
  #server: PeerServer | undefined;

  constructor(options: PeersOptions) {
    this.#options = options;
    const { registry, clock, logger } = options;
    this.#forwarder = new Forwarder({ ...options, directory: new CachedDirectory({ directory: registry, clock, logger }) });
  }

  /** For the endpoint; without what is its own business. */
  get cluster(): Pick<EndpointCluster<unknown>, 'node' | 'key' | 'forward'> {
    const { registry, key } = this.#options;
    return { node: registry.node, key, forward: (node, exchange) => this.#forwarder.forward(node, exchange) };
  }

  /** Requests of connections of other nodes that are on their way to these. */
  get passing(): number {
    return this.#forwarder.size;
  }

  /** From now on peers find this node. Rejects as `listen` and the registry do. */
  async listen(answer: PeerServerOptions['answer']): Promise<void> {
    const { registry, key, localHost, host = localHost, port, clock, logger } = this.#options;
    this.#server = await PeerServer.listen({ node: registry.node, key, answer, clock, logger }, { host, port });
    const address = peerAddressText({ host: isWildcard(host) ? localHost : host, port: this.#server.port });
    await registry.announce(address);
    logger.info({ event: 'peers.listening', node: registry.node, address }, 'peers may pass requests on to this node');
  }

  /**
   * Lets go of the polls that wait at other nodes: their clients poll again, elsewhere, and have missed nothing. Streams from
   * there end.
   */
  release(): void {
    this.#forwarder.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#forwarder[Symbol.dispose]();
    await this.#server?.[Symbol.asyncDispose]();
  }
}
