/**
 * A connection with a network in between, which may be slow: what the hub sends and what it receives passes through it.
 */
import type {
  Application,
  Connection,
  ConnectionHandler,
  ConnectRequest,
  Resumer,
  TransferFormat,
  TransportName,
} from '../signalr/index.ts';
import type { Line, Network } from './network.ts';

/** Opens what `handler` opens, with the network in between. */
export function slowedBy<P>(network: Network, handler: ConnectionHandler<P>): ConnectionHandler<P> {
  return {
    open(connection, transport) {
      const lines = { input: network.openLine(), output: network.openLine() };
      return slowed(handler.open(new SlowedConnection(connection, lines), transport), lines);
    },
  };
}

interface Lines {
  readonly input: Line;
  readonly output: Line;
}

class SlowedConnection<P> implements Connection<P> {
  readonly #connection: Connection<P>;
  readonly #lines: Lines;

  constructor(connection: Connection<P>, lines: Lines) {
    this.#connection = connection;
    this.#lines = lines;
  }

  get id(): string {
    return this.#connection.id;
  }

  get transport(): TransportName | undefined {
    return this.#connection.transport;
  }

  get principal(): P {
    return this.#connection.principal;
  }

  get request(): ConnectRequest | undefined {
    return this.#connection.request;
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  get isWritable(): boolean {
    return this.#connection.isWritable;
  }

  get transferFormat(): TransferFormat {
    return this.#connection.transferFormat;
  }

  set transferFormat(format: TransferFormat) {
    this.#connection.transferFormat = format;
  }

  send(data: string | Uint8Array): void {
    this.#lines.output.send(() => this.#connection.send(data));
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  makeResumable(resumer: Resumer): boolean {
    return this.#connection.makeResumable({
      suspended: () => resumer.suspended(),
      resumed: () => {
        // It was on its way by the transport that is gone.
        this.#lines.input.clear();
        this.#lines.output.clear();
        resumer.resumed();
      },
    });
  }

  close(): void {
    this.#lines.output.send(() => this.#connection.close());
  }

  abort(error: Error): void {
    this.#connection.abort(error);
  }
}

function slowed(application: Application, { input, output }: Lines): Application {
  return {
    receive: (chunk) => input.send(() => application.receive(chunk)),
    writable: () => application.writable(),
    heartbeat: (now) => application.heartbeat(now),
    shutdown: () => application.shutdown(),
    ended(error) {
      output.close();
      input.send(() => {
        input.close();
        application.ended(error);
      });
    },
  };
}
