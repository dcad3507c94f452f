/**
 * What a hub has asked its clients and waits to be answered.
 *
 * @see HubProtocol.md, "Client results"
 */
import type { Clock } from '../../clock.ts';
import { type Completion, type Invocation, MessageType } from '../protocol/messages.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { InvokeOptions } from './hub-clients.ts';
import { HubError, NoConnectionError } from './hub-error.ts';

/** A connection that can be asked. */
export interface AskedClient {
  readonly id: string;
  /** Aborted when the connection has ended. */
  readonly signal: AbortSignal;
  /** @throws TypeError or RangeError when an argument cannot be encoded */
  write(message: Invocation): void;
}

export interface Question extends InvokeOptions {
  readonly target: string;
  readonly arguments: readonly unknown[];
}

interface Pending {
  readonly connectionId: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface ClientResultsOptions {
  readonly clock: Clock;
  readonly clientResultTimeoutMs: number;
  readonly maximumPendingResults: number;
}

/** A client has answered what another was asked. */
class ForeignAnswer extends ProtocolError {
  // The official server's name for it, which is part of the texts that clients see.
  override readonly name = 'InvalidOperationException';
}

export class ClientResults {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #maximum: number;
  readonly #pending = new Map<string, Pending>();
  /** How many of them each connection has to answer. */
  readonly #counts = new Map<string, number>();
  #last = 0;

  constructor({ clock, clientResultTimeoutMs, maximumPendingResults }: ClientResultsOptions) {
    this.#clock = clock;
    this.#timeoutMs = clientResultTimeoutMs;
    this.#maximum = maximumPendingResults;
  }

  /** @throws HubError, NoConnectionError, see `SingleClientProxy.invoke` */
  async ask(client: AskedClient, question: Question): Promise<unknown> {
    const { target, arguments: args, timeoutMs = this.#timeoutMs, signal } = question;
    this.#count(client.id, 1);
    const invocationId = `s${++this.#last}`;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const leave = (): void => reject(new NoConnectionError(`Connection '${client.id}' disconnected.`));
    const cancel = (): void => reject(new HubError('Invocation canceled by the server.'));
    client.signal.addEventListener('abort', leave);
    signal?.addEventListener('abort', cancel);
    const timer = this.#clock.after(timeoutMs, cancel);
    this.#pending.set(invocationId, { connectionId: client.id, resolve, reject });
    try {
      if (client.signal.aborted) leave();
      else if (signal?.aborted === true) cancel();
      else client.write({ type: MessageType.invocation, invocationId, target, arguments: args });
      return await promise;
    } finally {
      this.#pending.delete(invocationId);
      this.#count(client.id, -1);
      timer.cancel();
      client.signal.removeEventListener('abort', leave);
      signal?.removeEventListener('abort', cancel);
    }
  }

  /**
   * Nobody waits for what is not pending.
   * @throws ProtocolError when another connection was asked
   */
  answer(connectionId: string, { invocationId, error, ...outcome }: Completion): void {
    const pending = this.#pending.get(invocationId);
    if (pending === undefined) return;
    if (pending.connectionId !== connectionId) {
      throw new ForeignAnswer(`Connection ID '${connectionId}' is not valid for invocation ID '${invocationId}'.`);
    }
    if (error !== undefined) pending.reject(new HubError(error));
    else if ('result' in outcome) pending.resolve(outcome.result);
    else pending.reject(new HubError("Client didn't provide a result."));
  }

  /** @throws HubError when it would be too many */
  #count(connectionId: string, change: 1 | -1): void {
    const count = (this.#counts.get(connectionId) ?? 0) + change;
    if (count > this.#maximum) throw new HubError(`At most ${this.#maximum} answers of a client may be awaited at a time.`);
    if (count === 0) this.#counts.delete(connectionId);
    else this.#counts.set(connectionId, count);
  }
}
