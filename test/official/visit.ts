/**
 * One visit to the conformance server: the clients that a feature needs, by one generation, over one transport, in one protocol. Runs
 * in Node and in browsers alike.
 */
import type { Client, Generation, ProtocolName, TransportName } from './library.ts';

export interface How {
  readonly generation: Generation;
  /** Undefined: the client chooses. */
  readonly transport: TransportName | undefined;
  readonly protocol: ProtocolName;
}

/** What a page is to play. */
export interface Order {
  /** Of the feature. */
  readonly title: string;
  readonly transport: TransportName;
  readonly protocol: ProtocolName;
  readonly url: string;
  readonly cuttableUrl: string;
}

export interface VisitOptions extends How {
  /** Of the server, past which nothing is cut. */
  readonly url: string;
  /** Of the way to it that can be cut. */
  readonly cuttableUrl: string;
  /** Cuts every connection on that way. */
  cut(): Promise<void>;
  /** The text at this URL, however the client asks. */
  read(url: string): Promise<string>;
}

export interface ConnectionOptions {
  /** Of the endpoint, with a query if need be. Default: `/testhub`. */
  readonly path?: string;
  /** It comes back by itself when it is lost. */
  readonly reconnects?: boolean;
  /** With stateful reconnect. */
  readonly isStateful?: boolean;
  /** It goes the way that can be cut. */
  readonly isCuttable?: boolean;
  readonly skipNegotiation?: boolean;
  readonly accessToken?: string;
}

export class Visit implements How {
  readonly generation: Generation;
  readonly transport: TransportName | undefined;
  readonly protocol: ProtocolName;
  /** Of the server. */
  readonly url: string;
  /** Differs for each visit: for names of groups and users. */
  readonly unique = `visit-${Math.random().toString(36).slice(2)}`;
  readonly #options: VisitOptions;
  readonly #clients: Client[] = [];

  constructor(options: VisitOptions) {
    this.#options = options;
    this.generation = options.generation;
    this.transport = options.transport;
    this.protocol = options.protocol;
    this.url = options.url;
  }

  /** Not started. */
  build({ path = '/testhub', isCuttable, reconnects, isStateful, skipNegotiation, accessToken }: ConnectionOptions = {}): Client {
    const { url, cuttableUrl, generation, protocol, transport } = this.#options;
    const { HubConnectionBuilder, HttpTransportType, LogLevel } = generation.library;
    const builder = new HubConnectionBuilder()
      .withUrl((isCuttable === true ? cuttableUrl : url) + path, {
        ...(transport !== undefined && { transport: HttpTransportType[transport] }),
        ...(skipNegotiation !== undefined && { skipNegotiation }),
        ...(accessToken !== undefined && { accessTokenFactory: () => accessToken }),
      })
      .configureLogging(LogLevel.None);
    if (protocol === 'messagepack') builder.withHubProtocol(generation.createMessagePack());
    if (reconnects === true) builder.withAutomaticReconnect([0, 0, 0]);
    if (isStateful === true) builder.withStatefulReconnect?.();
    const client = builder.build();
    this.#clients.push(client);
    return client;
  }

  async connect(options?: ConnectionOptions): Promise<Client> {
    const client = this.build(options);
    await client.start();
    return client;
  }

  async cut(): Promise<void> {
    await this.#options.cut();
  }

  /** A text that the server has at this path. */
  async read(path: string): Promise<string> {
    return await this.#options.read(this.url + path);
  }

  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
  }
}
