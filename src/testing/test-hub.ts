/**
 * A hub for tests of its clients: real HTTP and WebSockets on a port of its own, answers that the test chooses, everything
 * that clients did on record, and all that can go wrong on demand.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { systemClock } from '../clock.ts';
import type { ServerMethods } from '../signalr/contract.ts';
import { type DeclaredMethod, type HubMethod, isGenerator } from '../signalr/hub/hub-method.ts';
import type { NameOf } from '../signalr/hub/hub-clients.ts';
import {
  type AnyMethods,
  attach,
  type CloseOptions,
  type Contract,
  Endpoint,
  type Groups,
  Hub,
  type HubClients,
  type HubContext,
  HubError,
  jsonProtocol,
  messagePackProtocol,
  type Refusal,
} from '../signalr/index.ts';
import { Arrivals } from './arrivals.ts';
import { Network } from './network.ts';
import { type RefuseOptions, Refusals } from './refusals.ts';
import { slowedBy } from './slowed-connection.ts';
import { TestConnection } from './test-connection.ts';
import type { TestHubOptions } from './test-hub-options.ts';
import { RequestLog, type TestRequest } from './request-log.ts';

/** Of which nothing is known. */
export interface AnyContract {
  readonly server: AnyMethods;
  readonly client: AnyMethods;
}

/** A call that has reached its method. */
export interface TestInvocation {
  readonly connection: TestConnection;
  /** As the client has written it. */
  readonly target: string;
  /** Behind the method's parameters, if it declares any. */
  readonly arguments: readonly unknown[];
}

type Context<C extends Contract> = HubContext<unknown, unknown, C['client']>;
type Method<C extends Contract> = HubMethod<unknown, unknown, C['client']>;

export class TestHub<C extends Contract = AnyContract> implements AsyncDisposable {
  /** For `withUrl`. */
  readonly url: string;
  readonly #server: Server;
  readonly #hub: Hub<unknown, unknown, C['client']>;
  readonly #endpoint: Endpoint<unknown>;
  readonly #answers = new Map<string, Method<C>>();
  readonly #invocations = new Arrivals<TestInvocation>();
  /** All that there ever were. */
  readonly #connections = new Map<string, TestConnection>();
  readonly #arrived = new Arrivals<TestConnection>();
  readonly #refusals = new Refusals();
  readonly #network: Network;
  readonly #log = new RequestLog();
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, options: TestHubOptions<C>) {
    const { methods = {}, clock = systemClock } = options;
    for (const [name, method] of Object.entries<Method<C> | undefined>(methods)) if (method) this.#set(name, method);
    this.#network = new Network(clock);
    this.#hub = this.#createHub(options);
    this.#endpoint = this.#createEndpoint(options);
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.url = `http://127.0.0.1:${portOf(server)}/hub`;
    attach(server, '/hub', {
      handle: (request, response, path) => {
        this.#log.begin(request, response);
        this.#endpoint.handle(request, response, path);
      },
      upgrade: (request, socket, head) => this.#endpoint.upgrade(request, socket, head),
    });
  }

  static async start<C extends Contract = AnyContract>(options: TestHubOptions<C> = {}): Promise<TestHub<C>> {
    const server = createServer({ requestTimeout: 0 }, (_request, response) => response.writeHead(404).end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TestHub<C>(server, options);
  }

  get clients(): HubClients<C['client']> {
    return this.#hub.clients;
  }

  get groups(): Groups {
    return this.#hub.groups;
  }

  /** Those that are open, in the order of coming. */
  get connections(): readonly TestConnection[] {
    return [...this.#connections.values()].filter(({ isClosed }) => !isClosed);
  }

  /** The next connection that was not handed out before: one that is here already, or the next to come. */
  connected(): Promise<TestConnection> {
    return this.#arrived.next();
  }

  /** All calls so far. */
  get invocations(): readonly TestInvocation[] {
    return this.#invocations.all;
  }

  /** The next call that was not handed out before, be it here or yet to come. @param target absent: whatever it calls */
  invoked(target?: NameOf<C['server']>): Promise<TestInvocation> {
    return this.#invocations.next((call) => target === undefined || call.target.toLowerCase() === target.toLowerCase());
  }

  /** Every HTTP request and upgrade so far, refused ones included. */
  get requests(): readonly TestRequest[] {
    return this.#log.all;
  }

  /** From now on, calls of this method are answered so. A method without an answer does not exist. */
  answer<Name extends NameOf<C['server']>>(name: Name, method: ServerMethods<C, unknown, unknown>[Name]): void;
  answer(name: string, method: unknown): void {
    if (!isMethod<C>(method)) throw new TypeError(`${name} is answered by a function, or by a method that is declared`);
    this.#set(name, method);
  }

  /** Refuses requests of one kind, as they stand for a server that is down, overloaded, or does not know the user. */
  refuse(refusal: Refusal, options: RefuseOptions = {}): void {
    this.#refusals.plan(refusal, options);
  }

  /** Refuses handshakes with this text. @param times default: all, until {@link accept} */
  refuseHandshake(text: string, times = Infinity): void {
    this.#refusals.planHandshake(text, times);
  }

  /** Refuses nothing more. */
  accept(): void {
    this.#refusals.clear();
  }

  /** See {@link TestConnection.drop}, for all that are open. */
  drop(): void {
    for (const connection of this.connections) connection.drop();
  }

  /** See {@link TestConnection.close}, for all that are open. */
  close(options?: CloseOptions): void {
    for (const connection of this.connections) connection.close(options);
  }

  /** Whatever is sent from now on, in either direction, arrives that much later. */
  delay(ms: number): void {
    this.#network.delay(ms);
  }

  /** Nothing arrives any more, in either direction, until {@link release}. Connections stay, as over a network that is stuck. */
  hold(): void {
    this.#network.hold();
  }

  release(): void {
    this.#network.release();
  }

  /** Says good-bye to all connections, and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#network.delay(0);
    this.#network.release();
    await this.#endpoint[Symbol.asyncDispose]();
    this.#server.close();
    // Those of upgrades that are not decided yet, which the server has lost sight of, too.
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  #set(name: string, method: Method<C>): void {
    this.#answers.set(name.toLowerCase(), method);
  }

  #createHub({ hub = {}, clock = systemClock }: TestHubOptions<C>): Hub<unknown, unknown, C['client']> {
    return new Hub<unknown, unknown, C['client']>({
      protocols: [jsonProtocol, messagePackProtocol],
      clock,
      ...hub,
      methods: {},
      otherwise: (name) => this.#methodFor(name),
      onHandshake: (connection) => {
        const refusal = this.#refusals.next('handshake');
        if (refusal !== undefined) throw new HubError(refusal.body);
        return hub.onHandshake?.(connection);
      },
      onConnected: (context) => {
        this.#arrived.add(this.#noteConnection(context));
        return hub.onConnected?.(context);
      },
    });
  }

  #createEndpoint({ endpoint = {}, authenticate, clock = systemClock }: TestHubOptions<C>): Endpoint<unknown> {
    return new Endpoint<unknown>({
      isOriginAllowed: () => true,
      clock,
      ...endpoint,
      handler: this.#log.watching(slowedBy(this.#network, this.#hub)),
      authenticate: (request) => {
        this.#log.add(request);
        return this.#refusals.next(request.kind) ?? authenticate?.(request) ?? { principal: undefined };
      },
    });
  }

  #noteConnection({ connection }: Context<C>): TestConnection {
    const noted = new TestConnection(connection, this.#log.tracesOf(connection.id));
    this.#connections.set(connection.id, noted);
    return noted;
  }

  #methodFor(target: string): Method<C> {
    const answer = this.#answers.get(target.toLowerCase()) ?? missing;
    const declared: DeclaredMethod<unknown, unknown, C['client']> = typeof answer === 'function' ? { run: answer } : answer;
    return {
      ...declared,
      streaming: declared.streaming ?? isGenerator(declared.run),
      run: (context, ...args) => {
        const connection = this.#connections.get(context.connection.id);
        if (connection !== undefined) this.#invocations.add({ connection, target, arguments: args });
        return declared.run(context, ...args);
      },
    };
  }
}

function isMethod<C extends Contract>(value: unknown): value is Method<C> {
  return typeof value === 'function' || (typeof value === 'object' && value !== null && 'run' in value);
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server listens on no port');
  return address.port;
}

function missing(): never {
  throw new HubError('Method does not exist.');
}
