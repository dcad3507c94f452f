/**
 * The calls of one client that more messages may come for: those that can be canceled, and those that bring or want a stream.
 */
import type { Methods } from '../hub/hub-clients.ts';
import type { HubSettings } from '../hub/hub-options.ts';
import { type Completion, type Invocation, MessageType, type StreamItem } from '../protocol/messages.ts';
import { type Call, refused } from './call.ts';
import { Uploads } from './uploads.ts';

/** Who has them. */
export interface OngoingHost {
  /** One of them reads what had come, or waits for more: {@link OngoingCalls.areBlocking} may have become false. */
  onMove(): void;
}

export class OngoingCalls<P, Items, Client extends Methods> {
  readonly #settings: HubSettings<P, Items, Client>;
  readonly #host: OngoingHost;
  readonly #byId = new Map<string, Call<P, Items, Client>>();
  #uploads: Uploads | undefined;
  #streams = 0;

  constructor(settings: HubSettings<P, Items, Client>, host: OngoingHost) {
    this.#settings = settings;
    this.#host = host;
  }

  get isEmpty(): boolean {
    return this.#streams === 0 && this.#byId.size === 0;
  }

  /** What they have not read forbids to read on. */
  get areBlocking(): boolean {
    return this.#uploads?.areBlocking === true;
  }

  /** Why a call that streams may not do so beside these. */
  refusalFor({ type, target, invocationId = '', streamIds = [] }: Invocation): string | undefined {
    const used = streamIds.find((id, index) => this.#uploads?.has(id) === true || streamIds.indexOf(id) < index);
    if (used !== undefined) return refused(target, `Stream ID '${used}' is already in use.`);
    if (type === MessageType.streamInvocation && this.#byId.get(invocationId)?.isStreaming === true)
      return `Invocation ID '${invocationId}' is already in use.`;
    const { maximumStreams } = this.#settings;
    return this.#streams < maximumStreams ? undefined : refused(target, `At most ${maximumStreams} streams may run at a time.`);
  }

  /** Before its turn: what it streams may come earlier. */
  addStreaming(call: Call<P, Items, Client>): void {
    const { method, args, context, invocation } = call;
    this.#streams++;
    this.add(call);
    if (method.uploads === 0) return;
    this.#uploads ??= new Uploads(this.#settings, this.#host);
    call.args = this.#uploads.open(method.parameters ?? [], args, { ids: invocation.streamIds ?? [], call: context });
  }

  /** Of two calls with one id, which no honest client makes, the first is known by it; a stream rather than one that is none. */
  add(call: Call<P, Items, Client>): void {
    const { invocationId = '' } = call.invocation;
    const known = this.#byId.get(invocationId);
    if (invocationId !== '' && (known === undefined || (call.isStreaming && !known.isStreaming)))
      this.#byId.set(invocationId, call);
  }

  /** Also of a call that was never added. */
  remove(call: Call<P, Items, Client>): void {
    const { invocationId = '', streamIds = [] } = call.invocation;
    if (this.#byId.get(invocationId) === call) this.#byId.delete(invocationId);
    if (!call.isStreaming || call.refusal !== undefined) return;
    this.#streams--;
    this.#uploads?.close(streamIds);
  }

  find(id: string): Call<P, Items, Client> | undefined {
    return this.#byId.get(id);
  }

  /** @param bytes of the message */
  takeItem(item: StreamItem, bytes: number): void {
    this.#uploads?.take(item, bytes);
  }

  /** Whether it was the end of an upload. */
  takeCompletion(completion: Completion): boolean {
    return this.#uploads?.complete(completion) === true;
  }

  /** The connection has ended. */
  abort(): void {
    this.#uploads?.abort();
    for (const { results } of this.#byId.values()) results?.cancel();
  }
}
