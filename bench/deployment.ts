/** What is measured of a peer: its server, or several side by side with what they share; started afresh, ended with all it left. */
import type { Counts, Peer, Shared } from './peers/peer.ts';
import { usageOf, type Usage } from './process-tree.ts';
import { ServerProcess } from './server-process.ts';

/** What all of it has used and done since the start. */
export interface Reading {
  /** Of the servers. */
  readonly servers: Usage;
  /** Of each of them, in microseconds. */
  readonly cpuUsOfEach: readonly number[];
  /** Of what they share, if anything. */
  readonly shared?: Usage;
  readonly counts: Counts;
}

interface Setting {
  /** Of the servers, on top of what the peer asks for. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether what they share notes what its time goes into. */
  readonly isProfiled?: boolean;
}

export class Deployment implements AsyncDisposable {
  /** Messages are posted only at another server than their page is connected to. */
  readonly isElsewhere: boolean;
  readonly shared: Shared | undefined;
  readonly #isApart: boolean;
  readonly #servers: readonly ServerProcess[];

  private constructor(peer: Peer, servers: readonly ServerProcess[], shared: Shared | undefined) {
    this.isElsewhere = peer.posts === 'elsewhere';
    this.#isApart = peer.posts === 'apart';
    this.shared = shared;
    this.#servers = servers;
  }

  /** @throws Error with what it said when a server does not start */
  static async start(peer: Peer, { env = {}, isProfiled = false }: Setting = {}): Promise<Deployment> {
    const shared = await peer.shared?.(isProfiled);
    const servers: ServerProcess[] = [];
    const deployment = new Deployment(peer, servers, shared);
    try {
      for (let count = peer.servers ?? 1; count > 0; count -= 1) {
        const program = await peer.program(shared);
        servers.push(await ServerProcess.start({ ...program, env: { ...program.env, ...env } }));
      }
      return deployment;
    } catch (error) {
      await deployment[Symbol.asyncDispose]();
      throw error;
    }
  }

  get ports(): readonly number[] {
    return this.#servers.map(({ port }) => port);
  }

  /** Where pages are. */
  get pagePorts(): readonly number[] {
    return this.#isApart ? this.ports.slice(1) : this.ports;
  }

  /** Where messages are posted. */
  get postPorts(): readonly number[] {
    return this.#isApart ? this.ports.slice(0, 1) : this.ports;
  }

  /** The same at each. */
  get apiKey(): string {
    return this.#servers[0]?.apiKey ?? '';
  }

  async read(): Promise<Reading> {
    const counts = (await this.shared?.counts()) ?? {};
    const usages = this.#servers.map(({ pid }) => usageOf(pid));
    const servers = {
      cpuUs: usages.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
      rssBytes: usages.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
    };
    const own = { servers, cpuUsOfEach: usages.map(({ cpuUs }) => cpuUs), counts };
    return this.shared === undefined ? own : { ...own, shared: usageOf(this.shared.pid) };
  }

  /** As a person stops it; the servers have the time to write what they owe. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()));
    await this.shared?.[Symbol.asyncDispose]();
  }
}
