/** Several endpoints that share their connections, each with its server for peers, behind a balancer; for a test. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { systemClock, type Clock } from '../../src/clock.ts';
import { silentLogger, type Logger } from '../../src/logger.ts';
import { Peers, type NodeRegistry } from '../../src/server/peers/peers.ts';
import { Endpoint, type EndpointCluster, type EndpointOptions } from '../../src/signalr/index.ts';
import { Balancer } from '../fixtures/balancer.ts';
import { urlOf } from '../fixtures/sockets.ts';

export interface ClusterOptions {
  /** Default: the system's. */
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** What only the nodes know. Default: the same for all. */
  readonly keyOf?: (node: string) => Uint8Array;
  /** Upgrades too are passed on, by a short cut inside this process. Default false. */
  readonly forwardsUpgrades?: boolean;
}

function belowHub({ url = '/' }: IncomingMessage): string {
  return new URL(url, 'http://localhost').pathname.replace(/^\/hub/, '');
}

export class Node<P> {
  readonly name: string;
  readonly endpoint: Endpoint<P>;
  readonly peers: Peers;
  readonly server: Server;
  #isDead = false;

  constructor(name: string, parts: { readonly endpoint: Endpoint<P>; readonly peers: Peers }) {
    this.name = name;
    this.endpoint = parts.endpoint;
    this.peers = parts.peers;
    this.server = createServer((request, response) => {
      this.endpoint.handle(request, response, belowHub(request));
    });
    this.server.on('upgrade', (request, socket, head) => this.endpoint.upgrade(request, socket, head));
  }

  /** Of its hub, not through the balancer. */
  get url(): string {
    return `${urlOf(this.server)}/hub`;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Without a word to anybody, as far as the outside can tell. */
  async kill(): Promise<void> {
    if (this.#isDead) return;
    this.#isDead = true;
    this.server.closeAllConnections();
    this.server.close();
    await this.peers[Symbol.asyncDispose]();
    await this.endpoint[Symbol.asyncDispose]();
    this.server.closeAllConnections();
  }
}

/** The directory of the nodes, which tests may change. */
export class Registry {
  readonly addresses = new Map<string, string>();
  /** Everything that was asked for. */
  readonly asked: string[] = [];
  /** While set, nobody gets an answer but this. */
  failure: Error | undefined;

  for(node: string): NodeRegistry {
    return {
      node,
      announce: async (address) => void this.addresses.set(node, address),
      addressOf: async (other) => {
        this.asked.push(other);
        if (this.failure !== undefined) throw this.failure;
        return this.addresses.get(other);
      },
    };
  }
}

function upgradesTo<P>(nodes: readonly Node<P>[]): NonNullable<EndpointCluster<P>['forwardUpgrade']> {
  return async (name, { incoming, socket, head }) => {
    const node = nodes.find((each) => each.name === name && !each.isDead);
    node?.endpoint.upgradeForwarded(incoming, socket, head);
    return node !== undefined;
  };
}

export class Cluster<P> implements AsyncDisposable {
  readonly nodes: readonly Node<P>[];
  readonly balancer: Balancer;
  readonly registry: Registry;

  private constructor(nodes: readonly Node<P>[], balancer: Balancer, registry: Registry) {
    this.nodes = nodes;
    this.balancer = balancer;
    this.registry = registry;
  }

  /** Nodes `node-0`, `node-1` …; each endpoint by the options for its number, without a cluster, which is added here. */
  static async start<P>(
    count: number,
    optionsOf: (at: number) => EndpointOptions<P> & { userOf?(principal: P): string },
    { clock = systemClock, logger = silentLogger, keyOf, forwardsUpgrades = false }: ClusterOptions = {},
  ): Promise<Cluster<P>> {
    const registry = new Registry();
    const key = randomBytes(32);
    const nodes: Node<P>[] = [];
    for (let at = 0; at < count; at++) {
      const name = `node-${at}`;
      const neighbourhood = { registry: registry.for(name), key: keyOf?.(name) ?? key, localHost: '127.0.0.1' };
      const peers = new Peers({ ...neighbourhood, port: 0, clock, logger });
      const { userOf, ...options } = optionsOf(at);
      const more = { ...(userOf && { userOf }), ...(forwardsUpgrades && { forwardUpgrade: upgradesTo(nodes) }) };
      const endpoint = new Endpoint<P>({ clock, logger, ...options, cluster: { ...peers.cluster, ...more } });
      const node = new Node(name, { endpoint, peers });
      node.server.listen(0, '127.0.0.1');
      await once(node.server, 'listening');
      await peers.listen((request, response) => endpoint.handleForwarded(request, response, belowHub(request)));
      nodes.push(node);
    }
    const balancer = await Balancer.start(nodes.map(({ url }) => url));
    return new Cluster(nodes, balancer, registry);
  }

  /** Of the hub, through the balancer. */
  get url(): string {
    return `${this.balancer.url}/hub`;
  }

  node(at: number): Node<P> {
    const node = this.nodes[at];
    if (node === undefined) throw new TypeError(`there is no node ${at}`);
    return node;
  }

  /** The node that negotiated gets nothing else: what could be passed on, is. */
  neverToOwner(): void {
    let turn = 0;
    const { length } = this.nodes;
    this.balancer.pick = ({ url = '' }) => {
      const owner = /[?&]id=[^&]*\.node-(\d+)/.exec(url)?.[1];
      return owner === undefined ? 0 : (Number(owner) + 1 + (turn++ % (length - 1))) % length;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.balancer[Symbol.asyncDispose]();
    for (const node of this.nodes) await node.kill();
  }
}
