/**
 * The uploads of one connection, by the ids that its client gave them.
 */
import { HubError } from '../hub/hub-error.ts';
import { type AnyParameter, UploadParameter } from '../hub/parameter.ts';
import type { Completion, StreamItem } from '../protocol/messages.ts';
import { faultText } from './fault-text.ts';
import { type UploadCall, type UploadHome, UploadStream } from './upload-stream.ts';

export interface UploadSettings {
  readonly uploadBufferItems: number;
  readonly uploadBufferBytes: number;
  /** Methods are told why an item did not fit. */
  readonly enableDetailedErrors: boolean;
}

export class Uploads implements UploadHome {
  readonly maximumItems: number;
  readonly maximumBytes: number;
  waitingBytes = 0;
  readonly #detailed: boolean;
  readonly #host: Pick<UploadHome, 'onMove'>;
  readonly #streams = new Map<string, UploadStream>();

  constructor(settings: UploadSettings, host: Pick<UploadHome, 'onMove'>) {
    this.maximumItems = settings.uploadBufferItems;
    this.maximumBytes = settings.uploadBufferBytes;
    this.#detailed = settings.enableDetailedErrors;
    this.#host = host;
  }

  onMove(): void {
    this.#host.onMove();
  }

  /** The arguments of a method, those that it is sent and those that it streams, each in its place. */
  open(parameters: readonly AnyParameter[], args: readonly unknown[], { ids, call }: Upload): unknown[] {
    const sent = args.values();
    const names = ids.values();
    return parameters.map((parameter) => {
      if (!(parameter instanceof UploadParameter)) return sent.next().value;
      const stream = new UploadStream(parameter.item, call, this);
      this.#streams.set(names.next().value ?? '', stream);
      return stream;
    });
  }

  has(id: string): boolean {
    return this.#streams.has(id);
  }

  get areBlocking(): boolean {
    for (const stream of this.#streams.values()) if (stream.isBlocking) return true;
    return false;
  }

  /** @param bytes of the message */
  take({ invocationId, item, fault }: StreamItem, bytes: number): void {
    const stream = this.#streams.get(invocationId);
    // The method may have ended: a client cannot be told to stop.
    if (stream === undefined) return;
    try {
      if (fault !== undefined) throw fault;
      stream.push(stream.bind(item), bytes);
    } catch (error) {
      stream.end(new HubError(faultText('Failed to bind Stream message.', error, this.#detailed)));
    }
  }

  /** Whether it was that of an upload. */
  complete({ invocationId, error }: Completion): boolean {
    const stream = this.#streams.get(invocationId);
    stream?.end(error === undefined ? undefined : new HubError(error));
    return stream !== undefined;
  }

  /** Their method has ended. */
  close(ids: readonly string[]): void {
    for (const id of ids) {
      this.#streams.get(id)?.drop();
      this.#streams.delete(id);
    }
  }

  /** The connection has ended. */
  abort(): void {
    for (const stream of this.#streams.values()) stream.end(new DOMException('The connection has ended.', 'AbortError'));
  }
}

export interface Upload {
  readonly ids: readonly string[];
  readonly call: UploadCall;
}
