/**
 * The context of one call, or of one hook. Most look at nothing but their connection, so the rest is made at first need.
 */
import type { CallerClients, Groups, Methods } from '../hub/hub-clients.ts';
import type { HubConnection } from '../hub/hub-connection.ts';
import type { HubContext, HubPeers, Viewer } from '../hub/hub-context.ts';

/** Of those calls that may run at the same time a call holds one, or has given it back, as it waits for a client. */
export type Slot = 'none' | 'held' | 'given back';

/** Whose turn it is: contexts that begin to wait for a client say so here. */
export interface Turns {
  /** @throws InvalidOperationError when there must be no waiting */
  giveWay(waiting: { slot: Slot }): void;
}

export class CallContext<P, Items, Client extends Methods> implements HubContext<P, Items, Client>, Viewer {
  readonly connection: HubConnection<P, Items>;
  slot: Slot = 'none';
  /** For how many things of its client the call waits: items of uploads, results. */
  waits = 0;
  isCanceled = false;
  /** A call between its arrival and its end; no hook. */
  isOngoing = false;
  readonly #peers: HubPeers<Client>;
  readonly #turns: Turns;
  /** Made when somebody asks for its signal. */
  #canceling: AbortController | undefined;

  constructor(connection: HubConnection<P, Items>, peers: HubPeers<Client>, turns: Turns) {
    this.connection = connection;
    this.#peers = peers;
    this.#turns = turns;
  }

  get connectionId(): string {
    return this.connection.id;
  }

  get clients(): CallerClients<Client> {
    return this.#peers.seenBy(this);
  }

  get groups(): Groups {
    return this.#peers.groups;
  }

  get signal(): AbortSignal {
    const { signal } = this.connection;
    if (this.#canceling === undefined) {
      if (!this.isOngoing) return signal;
      this.#canceling = new AbortController();
      if (this.isCanceled || signal.aborted) this.#canceling.abort();
      else signal.addEventListener('abort', this);
    }
    return this.#canceling.signal;
  }

  async wait<T>(invoke: () => Promise<T>): Promise<T> {
    this.#turns.giveWay(this);
    this.waits++;
    try {
      return await invoke();
    } finally {
      this.waits--;
    }
  }

  /** The client no longer wants what the call is about. */
  cancel(): void {
    this.isCanceled = true;
    this.#canceling?.abort();
  }

  /** The connection has ended. */
  handleEvent(): void {
    this.#canceling?.abort();
  }

  /** The call is over. Not `AbortSignal.any`: what listens to that would be kept until the connection ends. */
  end(): void {
    this.isOngoing = false;
    if (this.#canceling !== undefined) this.connection.signal.removeEventListener('abort', this);
  }
}
