/**
 * One invocation on its way to a method: what it needs to run, and why it may not.
 */
import type { Methods } from '../hub/hub-clients.ts';
import { HubError } from '../hub/hub-error.ts';
import type { KnownMethod } from '../hub/hub-method.ts';
import type { Parameter } from '../hub/parameter.ts';
import { type Invocation, MessageType } from '../protocol/messages.ts';
import { ARGUMENTS_DO_NOT_FIT, ProtocolError } from '../protocol/protocol-error.ts';
import type { CallContext } from './call-context.ts';
import { invocationFailed, faultText, notStreaming, streaming, unauthorized } from './fault-text.ts';
import type { ResultStream } from './result-stream.ts';

export interface Call<P, Items, Client extends Methods> {
  readonly invocation: Invocation;
  readonly method: KnownMethod<P, Items, Client>;
  /** Those that are sent; with streams in their places as soon as they are open. */
  args: readonly unknown[];
  readonly context: CallContext<P, Items, Client>;
  /** It brings or wants a stream: it runs beside those that take turns. */
  readonly isStreaming: boolean;
  /** The answer instead of a run; those who may not call the method do not get to see it. */
  readonly refusal: string | undefined;
  /** Of a method that streams, as soon as there are any. */
  results: ResultStream | undefined;
}

/** The whole text of an answer. */
export class Refusal extends Error {}

/** @throws Refusal, and whatever the method throws */
export function run<P, Items, Client extends Methods>(call: Call<P, Items, Client>): unknown {
  const isAllowed = call.method.authorize === undefined || call.method.authorize(call.context);
  // What is known at once is answered at once, before what comes behind it.
  if (typeof isAllowed !== 'object') return runIf(isAllowed, call);
  return Promise.resolve(isAllowed).then((allowed) => runIf(allowed, call));
}

/** @param isAllowed anything but true is a no, whatever the types say */
function runIf<P, Items, Client extends Methods>(isAllowed: boolean, call: Call<P, Items, Client>): unknown {
  const { method, context, args, invocation, refusal } = call;
  if (isAllowed !== true) throw new Refusal(unauthorized(invocation.target));
  if (refusal !== undefined) throw new Refusal(refusal);
  return method.run(context, ...args);
}

/**
 * The arguments that are sent with the call; undefined for those that may be left out, and are.
 * @throws ProtocolError when they are not what the method declares
 */
export function bindArguments(
  { sent, required }: Pick<KnownMethod<never, never, Methods>, 'sent' | 'required'>,
  { arguments: args, fault }: Invocation,
): readonly unknown[] {
  if (fault !== undefined) throw fault;
  if (sent === undefined) return args;
  const bound = bind(sent, args);
  if (args.length < required || args.length > sent.length) {
    throw new ProtocolError(`Invocation provides ${args.length} argument(s) but target expects ${sent.length}.`);
  }
  while (bound.length < sent.length) bound.push(undefined);
  return bound;
}

/** One that does not fit is told before a wrong number of them, as the official server does. */
function bind(sent: readonly Parameter[], args: readonly unknown[]): unknown[] {
  return args.slice(0, sent.length).map((value, index) => {
    try {
      return sent[index]?.(value);
    } catch (cause) {
      throw new ArgumentError(index, cause);
    }
  });
}

/** An argument is not what its parameter wants. What it says of it is for the log, not for the client. */
export class ArgumentError extends ProtocolError {
  readonly index: number;

  constructor(index: number, cause: unknown) {
    super(ARGUMENTS_DO_NOT_FIT);
    this.index = index;
    this.cause = cause;
  }
}

/** Why a method is not to be called like this, as far as the invocation itself tells. */
export function mismatch({ type, target, streamIds }: Invocation, method: MethodKind): string | undefined {
  const wantsStream = type === MessageType.streamInvocation;
  if (wantsStream && !method.streaming) return notStreaming(target);
  if (!wantsStream && method.streaming) return streaming(target);
  const sent = streamIds?.length ?? 0;
  if (sent === method.uploads) return undefined;
  return refused(target, `Client sent ${sent} stream(s), Hub method expects ${method.uploads}.`);
}

export interface MethodKind {
  readonly streaming: boolean;
  readonly uploads: number;
}

/** For a reason that the client may know. */
export function refused(target: string, reason: string): string {
  return faultText(invocationFailed(target), new HubError(reason), false);
}
