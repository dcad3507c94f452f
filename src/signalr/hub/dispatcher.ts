/**
 * From an invocation to its completion: finds the method, binds the arguments, and runs the calls of one client in the
 * order of their arrival, as many at a time as allowed. Calls that wait do so here, so that reading goes on.
 */
import { type Completion, type Invocation, MessageType } from '../protocol/messages.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { bindingFailed, faultText, invocationFailed, notStreaming, unauthorized } from './fault-text.ts';
import type { HubConnection } from './hub-connection.ts';
import { HubError } from './hub-error.ts';
import type { DeclaredMethod, HubSettings } from './hub-options.ts';

const ARGUMENTS_DO_NOT_FIT =
  'Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.';

/** What a dispatcher needs of its session. */
export interface Caller<P, Items> extends HubConnection<P, Items> {
  complete(completion: Completion): void;
  /** A call has ended: there is room in the queue. */
  onRoom(): void;
}

interface Call<P, Items> {
  readonly invocation: Invocation;
  readonly method: DeclaredMethod<P, Items>;
  readonly args: readonly unknown[];
}

export class Dispatcher<P, Items> {
  readonly #settings: HubSettings<P, Items>;
  readonly #caller: Caller<P, Items>;
  /** Absent while empty. */
  #queue: Call<P, Items>[] | undefined;
  #running = 0;
  #isOpen: boolean;

  /** @param isOpen whether calls may run already, see {@link open} */
  constructor(settings: HubSettings<P, Items>, caller: Caller<P, Items>, isOpen: boolean) {
    this.#settings = settings;
    this.#caller = caller;
    this.#isOpen = isOpen;
  }

  get isFull(): boolean {
    return (this.#queue?.length ?? 0) >= this.#settings.maximumQueuedInvocations;
  }

  /** Calls may run from now on. */
  open(): void {
    this.#isOpen = true;
    this.#startNext();
  }

  /** No waiting call will run. Those that run do so to their end; nobody hears of it. */
  close(): void {
    this.#isOpen = false;
    this.#queue = undefined;
  }

  /** What cannot be called is answered at once, before calls that still run. */
  accept(invocation: Invocation): void {
    const call = this.#bind(invocation);
    if (typeof call === 'string') {
      this.#fail(invocation, call);
      return;
    }
    (this.#queue ??= []).push(call);
    this.#startNext();
  }

  /** The call, or the text of why there can be none. */
  #bind(invocation: Invocation): Call<P, Items> | string {
    const { target, streamIds = [] } = invocation;
    const { enableDetailedErrors, methodsByName } = this.#settings;
    const method = methodsByName.get(target.toLowerCase());
    if (method === undefined) return faultText(bindingFailed(target), new HubError('Method does not exist.'), false);
    if (invocation.type === MessageType.streamInvocation) return notStreaming(target);
    if (streamIds.length > 0) {
      const error = new HubError(`Client sent ${streamIds.length} stream(s), Hub method expects 0.`);
      return faultText(invocationFailed(target), error, false);
    }
    try {
      return { invocation, method, args: bindArguments(method, invocation.arguments) };
    } catch (error) {
      return faultText(bindingFailed(target), error, enableDetailedErrors);
    }
  }

  #startNext(): void {
    while (this.#isOpen && this.#running < this.#settings.maximumParallelInvocations) {
      const call = this.#queue?.shift();
      if (this.#queue?.length === 0) this.#queue = undefined;
      if (call === undefined) return;
      this.#running++;
      this.#start(call);
    }
  }

  /** A call that needs no waiting is answered at once: before whatever comes behind it in the same bytes. */
  #start(call: Call<P, Items>): void {
    const { invocation, method, args } = call;
    try {
      const result = method.authorize === undefined ? method.run(this.#caller, ...args) : this.#runAuthorized(call);
      if (isThenable(result)) {
        void this.#finish(invocation, result);
        return;
      }
      this.#succeed(invocation, result);
    } catch (error) {
      this.#failed(invocation, error);
    }
    this.#running--;
  }

  async #runAuthorized({ method, args }: Call<P, Items>): Promise<unknown> {
    if ((await method.authorize?.(this.#caller)) === false) throw new Unauthorized();
    return await method.run(this.#caller, ...args);
  }

  async #finish(invocation: Invocation, result: PromiseLike<unknown>): Promise<void> {
    try {
      this.#succeed(invocation, await result);
    } catch (error) {
      this.#failed(invocation, error);
    }
    this.#running--;
    this.#startNext();
    this.#caller.onRoom();
  }

  #failed(invocation: Invocation, error: unknown): void {
    const { target } = invocation;
    if (error instanceof Unauthorized) {
      this.#fail(invocation, unauthorized(target));
      return;
    }
    this.#log(target, error);
    this.#fail(invocation, faultText(invocationFailed(target), error, this.#settings.enableDetailedErrors));
  }

  /** A method that returns nothing is answered null, as the official server does. */
  #succeed({ invocationId }: Invocation, result: unknown): void {
    if (isAwaited(invocationId)) this.#caller.complete({ type: MessageType.completion, invocationId, result: result ?? null });
  }

  #fail({ invocationId }: Invocation, error: string): void {
    if (isAwaited(invocationId)) this.#caller.complete({ type: MessageType.completion, invocationId, error });
  }

  #log(target: string, err: unknown): void {
    if (err instanceof HubError) return;
    const fields = { event: 'signalr.invocation.failed', connectionId: this.#caller.id, target, err };
    this.#settings.logger.warn(fields, 'a hub method failed');
  }
}

function bindArguments<P, Items>({ parameters }: DeclaredMethod<P, Items>, args: readonly unknown[]): readonly unknown[] {
  if (parameters === undefined) return args;
  if (args.length !== parameters.length) {
    throw new ProtocolError(`Invocation provides ${args.length} argument(s) but target expects ${parameters.length}.`);
  }
  try {
    return parameters.map((parameter, index) => parameter(args[index]));
  } catch {
    throw new ProtocolError(ARGUMENTS_DO_NOT_FIT);
  }
}

/** An empty id counts as none: nobody waits for an answer. */
function isAwaited(invocationId: string | undefined): invocationId is string {
  return invocationId !== undefined && invocationId !== '';
}

class Unauthorized extends Error {}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
