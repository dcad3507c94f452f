/**
 * The calls of one client: runs them in the order of their arrival, as many at a time as allowed, those that stream beside them,
 * and answers each. Calls that wait do so here, so that reading goes on.
 */
import type { Methods } from '../hub/hub-clients.ts';
import type { HubConnection } from '../hub/hub-connection.ts';
import { HubError } from '../hub/hub-error.ts';
import type { HubSettings } from '../hub/hub-options.ts';
import { type CallMessage, type HubMessage, type Invocation, MessageType } from '../protocol/messages.ts';
import { CallContext, type Slot, type Turns } from './call-context.ts';
import { bindArguments, type Call, mismatch, Refusal, refused, run } from './call.ts';
import { bindingFailed, faultText, invocationFailed, notAStream, streamingFailed } from './fault-text.ts';
import { logMisfit } from './log-fault.ts';
import { OngoingCalls, type OngoingHost } from './ongoing-calls.ts';
import { type ItemSink, ResultStream } from './result-stream.ts';

const BUSY = 'Too many calls of this client wait for their turn.';

/** What a dispatcher needs of its session. */
export interface Caller<P, Items> extends HubConnection<P, Items> {
  write(message: HubMessage): void;
  /** Calls get on: {@link Dispatcher.isFull} may have become false. */
  onMove(): void;
}

export class Dispatcher<P, Items, Client extends Methods> implements Turns, ItemSink, OngoingHost {
  readonly #settings: HubSettings<P, Items, Client>;
  readonly #caller: Caller<P, Items>;
  /** Absent while empty, as all that most clients never use. */
  #queue: Call<P, Items, Client>[] | undefined;
  #ongoing: OngoingCalls<P, Items, Client> | undefined;
  #onWritable: PromiseWithResolvers<void> | undefined;
  #running = 0;
  /** Those that go on without their slot. */
  #aside = 0;
  #isOpen: boolean;
  /** Nothing has moved for too long: what is full must do without being read less. */
  #readsOn = false;

  /** @param isOpen whether calls may run already, see {@link open} */
  constructor(settings: HubSettings<P, Items, Client>, caller: Caller<P, Items>, isOpen: boolean) {
    this.#settings = settings;
    this.#caller = caller;
    this.#isOpen = isOpen;
  }

  /** Nothing more should be read for now. */
  get isFull(): boolean {
    return !this.#readsOn && this.#isCrowded;
  }

  get #isCrowded(): boolean {
    return this.#isQueueFull || this.#ongoing?.areBlocking === true;
  }

  get #isQueueFull(): boolean {
    return this.#queue !== undefined && this.#queue.length >= this.#settings.maximumQueuedInvocations;
  }

  get isWritable(): boolean {
    return this.#caller.isWritable;
  }

  /** Calls may run from now on. */
  open(): void {
    this.#isOpen = true;
    this.#startNext();
  }

  /** No waiting call will run. Those that run hear of it by their signals and streams, but nobody hears of them. */
  close(): void {
    this.#isOpen = false;
    this.#queue = undefined;
    this.#ongoing?.abort();
    this.writable();
  }

  /** The client has not been listened to for long. From now on it is, and what there is no room for is refused. */
  readOn(): void {
    this.#readsOn = true;
    this.#caller.onMove();
  }

  writable(): void {
    this.#onWritable?.resolve();
    this.#onWritable = undefined;
  }

  whenWritable(): Promise<void> {
    return (this.#onWritable ??= Promise.withResolvers()).promise;
  }

  /** @param bytes of the message */
  take(message: CallMessage, bytes: number): void {
    switch (message.type) {
      case MessageType.invocation:
      case MessageType.streamInvocation:
        this.#accept(message);
        break;
      case MessageType.cancelInvocation:
        this.#cancel(message.invocationId);
        break;
      case MessageType.streamItem:
        this.#ongoing?.takeItem(message, bytes);
        break;
      case MessageType.completion:
        if (this.#ongoing?.takeCompletion(message) !== true) this.#settings.clientResults.answer(this.#caller.id, message);
    }
  }

  /** Once a call, and for good: what it waits for may need calls that come behind it. */
  giveWay(waiting: { slot: Slot }): void {
    if (waiting.slot === 'held') {
      waiting.slot = 'given back';
      this.#running--;
      this.#aside++;
    }
    this.onMove();
  }

  /** This comes in the midst of the app's reading, or asking: what becomes of it follows behind. */
  onMove(): void {
    queueMicrotask(() => this.#goOn());
  }

  /** What cannot be called is answered at once, before calls that still run. */
  #accept(invocation: Invocation): void {
    const call = this.#bind(invocation);
    if (typeof call === 'string') {
      this.#fail(invocation, call);
    } else if (this.#queue === undefined && this.#hasTurn(call)) {
      this.#start(call);
    } else if (this.#isQueueFull) {
      this.#fail(invocation, refused(call.invocation.target, BUSY));
      this.#forget(call);
    } else {
      (this.#queue ??= []).push(call);
    }
  }

  /** Of a call that is unknown, or over: nothing to do. */
  #cancel(id: string): void {
    const call = this.#ongoing?.find(id) ?? this.#queue?.find(({ invocation }) => invocation.invocationId === id);
    call?.context.cancel();
    call?.results?.cancel();
  }

  /** The call, or the text of why there can be none. */
  #bind(received: Invocation): Call<P, Items, Client> | string {
    const { target, streamIds, type } = received;
    const { enableDetailedErrors, peers } = this.#settings;
    const method = this.#settings.methodOf(target);
    if (method === undefined) return faultText(bindingFailed(target), new HubError('Method does not exist.'), false);
    // The name that stands in every answer.
    const invocation = method.name === target ? received : { ...received, target: method.name };
    try {
      const args = bindArguments(method, invocation);
      const context = new CallContext(this.#caller, peers, this);
      context.isOngoing = true;
      const isStreaming = type === MessageType.streamInvocation || (streamIds !== undefined && streamIds.length > 0);
      const refusal = mismatch(invocation, method) ?? (isStreaming ? this.#going.refusalFor(invocation) : undefined);
      const call: Call<P, Items, Client> = { invocation, method, args, context, isStreaming, refusal, results: undefined };
      if (isStreaming && refusal === undefined) this.#going.addStreaming(call);
      return call;
    } catch (error) {
      logMisfit(this.#settings.logger, { connectionId: this.#caller.id, target: method.name, error });
      return faultText(bindingFailed(method.name), error, enableDetailedErrors);
    }
  }

  get #going(): OngoingCalls<P, Items, Client> {
    return (this.#ongoing ??= new OngoingCalls(this.#settings, this));
  }

  #forget(call: Call<P, Items, Client>): void {
    const { context } = call;
    if (context.slot === 'held') this.#running--;
    else if (context.slot === 'given back') this.#aside--;
    context.slot = 'none';
    context.end();
    this.#ongoing?.remove(call);
    if (this.#ongoing?.isEmpty === true) this.#ongoing = undefined;
  }

  #hasTurn({ isStreaming }: Call<P, Items, Client>): boolean {
    const { maximumParallelInvocations, maximumPendingResults } = this.#settings;
    const hasSlot = this.#running < maximumParallelInvocations && this.#aside < maximumPendingResults;
    return this.#isOpen && (isStreaming || hasSlot);
  }

  #startNext(): void {
    for (;;) {
      const next = this.#queue?.[0];
      if (next === undefined || !this.#hasTurn(next)) return;
      this.#queue?.shift();
      if (this.#queue?.length === 0) this.#queue = undefined;
      this.#start(next);
    }
  }

  /** A call that needs no waiting is answered at once: before whatever comes behind it in the same bytes. */
  #start(call: Call<P, Items, Client>): void {
    if (!call.isStreaming) {
      this.#running++;
      call.context.slot = 'held';
    }
    try {
      const result = run(call);
      if (call.invocation.type === MessageType.streamInvocation) {
        void this.#stream(call, result);
        return;
      }
      if (isThenable(result)) {
        this.#going.add(call);
        void this.#finish(call, result);
        return;
      }
      this.#succeed(call.invocation, result);
    } catch (error) {
      this.#failed(call, error, invocationFailed(call.invocation.target));
    }
    this.#forget(call);
  }

  async #finish(call: Call<P, Items, Client>, result: PromiseLike<unknown>): Promise<void> {
    try {
      this.#succeed(call.invocation, await result);
    } catch (error) {
      this.#failed(call, error, invocationFailed(call.invocation.target));
    }
    this.#forget(call);
    this.#goOn();
  }

  async #stream(call: Call<P, Items, Client>, result: unknown): Promise<void> {
    const { invocationId = '', target } = call.invocation;
    let prefix = invocationFailed(target);
    try {
      // A generator begins here and now: it hears of it when it is canceled.
      const results = ResultStream.of(isThenable(result) ? await result : result);
      if (results === undefined) throw new Refusal(notAStream(target));
      prefix = streamingFailed;
      call.results = results;
      if (call.context.isCanceled || !this.#isOpen) results.cancel();
      await results.writeTo(this, (item) => this.#caller.write({ type: MessageType.streamItem, invocationId, item }));
      this.#caller.write({ type: MessageType.completion, invocationId });
    } catch (error) {
      this.#failed(call, error, prefix);
    }
    this.#forget(call);
    this.#goOn();
  }

  #goOn(): void {
    this.#startNext();
    if (!this.#isCrowded) this.#readsOn = false;
    this.#caller.onMove();
  }

  #failed({ invocation, results, context }: Call<P, Items, Client>, error: unknown, prefix: string): void {
    const { target, invocationId = '' } = invocation;
    if (error instanceof Refusal) {
      this.#fail(invocation, error.message);
      return;
    }
    const isToStop = context.isCanceled || !this.#isOpen;
    if (!isToStop || !isAbort(error)) this.#log(target, error);
    // Who has canceled a stream does not wait for it any more, and is told of its end, not of how it took it.
    if (results?.isCanceled === true) this.#caller.write({ type: MessageType.completion, invocationId });
    else this.#fail(invocation, faultText(prefix, error, this.#settings.enableDetailedErrors));
  }

  /** A method that returns nothing is answered null, as the official server does. */
  #succeed({ invocationId }: Invocation, result: unknown): void {
    if (isAwaited(invocationId)) this.#caller.write({ type: MessageType.completion, invocationId, result: result ?? null });
  }

  #fail({ invocationId }: Invocation, error: string): void {
    if (isAwaited(invocationId)) this.#caller.write({ type: MessageType.completion, invocationId, error });
  }

  #log(target: string, err: unknown): void {
    if (err instanceof HubError) return;
    const fields = { event: 'signalr.invocation.failed', connectionId: this.#caller.id, target, err };
    this.#settings.logger.warn(fields, 'a hub method failed');
  }
}

/** An empty id counts as none: nobody waits for an answer. */
function isAwaited(invocationId: string | undefined): invocationId is string {
  return invocationId !== undefined && invocationId !== '';
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
