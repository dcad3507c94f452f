/**
 * Passes requests on to the nodes that own their connections. Calls only addresses of the directory, and says nothing there
 * before the node has proved itself. A failure of a peer is an outcome, never an error.
 */
import { Agent } from 'node:https';
import type { Clock, Timer } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import type { ForwardedExchange, ForwardOutcome } from '../../signalr/index.ts';
import type { NodeDirectory } from './directory.ts';
import { Passage } from './passage.ts';
import { readPeerAddress } from './peer-address.ts';
import { RareWarning } from './rare-warning.ts';
import { caller, callingFor } from './secure-channel.ts';

const HEARTBEAT_MS = 1_000;
/** Shorter than a peer's own patience, so that it is this side that closes an idle connection. */
const IDLE_MS = 20_000;
const MAX_IDLE_CONNECTIONS = 64;
const MAX_PASSAGES = 10_000;

export interface ForwarderOptions {
  /** Never rejects. */
  readonly directory: NodeDirectory;
  readonly key: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Requests on their way at once, each with a connection of its own; beyond it `full`. Default 10,000. */
  readonly maxPassages?: number;
}

export class Forwarder implements Disposable {
  readonly #options: ForwarderOptions;
  readonly #agent = new Agent({
    ...caller,
    keepAlive: true,
    maxFreeSockets: MAX_IDLE_CONNECTIONS,
    maxCachedSessions: 0,
    timeout: IDLE_MS,
  });
  readonly #passages = new Set<Passage>();
  readonly #unreachable: RareWarning;
  #begun = 0;
  #timer: Timer | undefined;
  #isReleasing = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#unreachable = new RareWarning(options);
  }

  /** Requests on their way now. */
  get size(): number {
    return this.#begun;
  }

  /** See `EndpointCluster.forward`. */
  async forward(node: string, exchange: ForwardedExchange): Promise<ForwardOutcome> {
    if (this.#begun >= (this.#options.maxPassages ?? MAX_PASSAGES)) return 'full';
    if (this.#isReleasing && exchange.incoming.method === 'GET') return 'released';
    this.#begun++;
    try {
      return await this.#forward(node, exchange);
    } finally {
      this.#begun--;
    }
  }

  /** Lets go of all polls that wait at other nodes, of all streams from there, and of those that still come. What is being sent is not touched. */
  release(): void {
    this.#isReleasing = true;
    for (const passage of this.#passages) passage.release();
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    for (const passage of this.#passages) passage.destroy();
    this.#agent.destroy();
  }

  async #forward(node: string, exchange: ForwardedExchange): Promise<ForwardOutcome> {
    const { directory, key, clock, logger } = this.#options;
    const found = await directory.addressOf(node);
    if (exchange.response.destroyed) return 'answered';
    const address = found === undefined ? undefined : readPeerAddress(found);
    if (address === undefined) {
      logger.debug({ event: 'peers.node.unknown', node }, 'a request belongs to a node that is dead or unknown');
      return 'unreachable';
    }
    const channel = { ...address, ...callingFor(node, key), agent: this.#agent };
    const passage = new Passage({ node, channel, ...exchange });
    this.#passages.add(passage);
    this.#timer ??= clock.after(HEARTBEAT_MS, this.#beat);
    if (this.#isReleasing) passage.release();
    const outcome = await passage.outcome;
    this.#passages.delete(passage);
    if (outcome === 'unreachable') {
      const { failure } = passage;
      this.#unreachable.warn(
        node,
        { event: 'peers.node.unreachable', node, address: found, failure },
        'a request could not be passed on to its node: unless that one is dead, see --peer-host and --peer-port',
      );
    }
    return outcome;
  }

  readonly #beat = (): void => {
    for (const passage of this.#passages) passage.heartbeat(HEARTBEAT_MS);
    this.#timer = this.#passages.size > 0 ? this.#options.clock.after(HEARTBEAT_MS, this.#beat) : undefined;
  };
}
