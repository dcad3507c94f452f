/**
 * The MessagePack hub protocol: the length of a message, then one array.
 *
 * @see HubProtocol.md, "MessagePack (MsgPack) encoding"
 */
import { binaryFrame, binaryPayload, findBinaryFrame } from './framing.ts';
import type { HubProtocol } from './hub-protocol.ts';
import { type Completion, type HubMessage, type Invocation, MessageType, type StreamItem } from './messages.ts';
import { MessagePackReader } from './messagepack-reader.ts';
import { encodeMessagePack, messagePackValue } from './messagepack-value.ts';
import { ARGUMENTS_DO_NOT_FIT, ProtocolError } from './protocol-error.ts';

const ResultKind = { error: 1, void: 2, value: 3 } as const;

type Headers = Readonly<Record<string, string>>;

export const messagePackProtocol: HubProtocol = {
  name: 'messagepack',
  transferFormat: 'Binary',
  findFrame: findBinaryFrame,
  parse: (frame) => readMessage(new MessagePackReader(binaryPayload(frame))),
  encode: (message) => binaryFrame(encodeMessagePack(itemsOf(message))),
};

/** What stands behind the items that are known is overlooked, in the array and behind it. */
function readMessage(reader: MessagePackReader): HubMessage | undefined {
  const length = reader.arrayLength('message');
  const type = reader.integer('messageType', 'Int32');
  switch (type) {
    case MessageType.invocation:
    case MessageType.streamInvocation:
      return readInvocation(reader, type, length);
    case MessageType.streamItem:
      return readStreamItem(reader);
    case MessageType.completion:
      return readCompletion(reader);
    case MessageType.cancelInvocation:
      return { type, ...readHeaders(reader), invocationId: readId(reader, 'CancelInvocation') };
    case MessageType.ping:
      return { type };
    case MessageType.close: {
      const error = reader.text('error');
      const allowReconnect = length > 2 && reader.boolean('allowReconnect');
      return { type, ...(error !== undefined && { error }), ...(allowReconnect && { allowReconnect }) };
    }
    case MessageType.ack:
    case MessageType.sequence:
      return { type, sequenceId: reader.integer('sequenceId', 'Int64') };
    default:
      return undefined;
  }
}

function readInvocation(reader: MessagePackReader, type: Invocation['type'], length: number): Invocation {
  const name = type === MessageType.invocation ? 'Invocation' : 'StreamInvocation';
  const headers = readHeaders(reader);
  const invocationId = type === MessageType.invocation ? reader.text('invocationId') : readId(reader, name);
  const target = filled(reader.text('target'), `target for ${name} message`);
  const call = { type, ...headers, ...(invocationId ? { invocationId } : {}), target };
  const args = attempt(() => readArguments(reader));
  if (args instanceof ProtocolError) return { ...call, arguments: [], fault: args };
  const streamIds = length > 5 ? readStreamIds(reader) : [];
  return { ...call, arguments: args, ...(streamIds.length > 0 && { streamIds }) };
}

function readArguments(reader: MessagePackReader): unknown[] {
  const length = reader.arrayLength('arguments');
  const args: unknown[] = [];
  try {
    while (args.length < length) args.push(reader.value());
  } catch {
    throw new ProtocolError(ARGUMENTS_DO_NOT_FIT);
  }
  return args;
}

function readStreamIds(reader: MessagePackReader): string[] {
  const length = reader.arrayLength('streamIds');
  const ids: string[] = [];
  while (ids.length < length) ids.push(filled(reader.text('streamIds'), 'value in streamIds received'));
  return ids;
}

function readStreamItem(reader: MessagePackReader): StreamItem {
  const head = { type: MessageType.streamItem, ...readHeaders(reader), invocationId: readId(reader, 'StreamItem') };
  const item = attempt(() => reader.value());
  return item instanceof ProtocolError ? { ...head, item: undefined, fault: item } : { ...head, item };
}

function readCompletion(reader: MessagePackReader): Completion {
  const head = { type: MessageType.completion, ...readHeaders(reader), invocationId: readId(reader, 'Completion') };
  switch (reader.integer('resultKind', 'Int32')) {
    case ResultKind.error: {
      const error = reader.text('error');
      return { ...head, ...(error !== undefined && { error }) };
    }
    case ResultKind.void:
      return head;
    case ResultKind.value: {
      const result = attempt(() => reader.value());
      if (!(result instanceof ProtocolError)) return { ...head, result };
      return { ...head, error: `Error trying to deserialize result. ${result.message}` };
    }
    default:
      throw new ProtocolError('Invalid invocation result kind.');
  }
}

function readHeaders(reader: MessagePackReader): { headers?: Headers } {
  const length = reader.mapLength('headers');
  if (length === 0) return {};
  const headers: [string, string][] = [];
  while (headers.length < length) {
    const field = `headers[${headers.length}]`;
    const name = filled(reader.text(`${field}.Key`), 'key in header');
    const value = reader.text(`${field}.Value`);
    if (value === undefined) throw new ProtocolError('Null or empty value in header.');
    headers.push([name, value]);
  }
  return { headers: Object.fromEntries(headers) };
}

function readId(reader: MessagePackReader, message: string): string {
  return filled(reader.text('invocationId'), `invocation ID for ${message} message`);
}

function filled(text: string | undefined, what: string): string {
  if (text === undefined || text === '') throw new ProtocolError(`Null or empty ${what}.`);
  return text;
}

/** What is read, or why it cannot be. */
function attempt<T>(read: () => T): T | ProtocolError {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
}

function itemsOf(message: HubMessage): readonly unknown[] {
  switch (message.type) {
    case MessageType.invocation:
    case MessageType.streamInvocation:
      return callItems(message);
    case MessageType.streamItem:
      return [message.type, message.headers ?? {}, message.invocationId, messagePackValue(message.item)];
    case MessageType.completion:
      return [message.type, message.headers ?? {}, message.invocationId, ...outcomeOf(message)];
    case MessageType.cancelInvocation:
      return [message.type, message.headers ?? {}, message.invocationId];
    case MessageType.ping:
      return [message.type];
    case MessageType.close:
      return [message.type, message.error ?? null, message.allowReconnect === true];
    case MessageType.ack:
    case MessageType.sequence:
      return [message.type, messagePackValue(message.sequenceId)];
  }
}

function callItems({
  type,
  headers = {},
  invocationId,
  target,
  arguments: args,
  streamIds = [],
}: Invocation): readonly unknown[] {
  return [type, headers, invocationId || null, target, args.map((value) => messagePackValue(value)), streamIds];
}

function outcomeOf(message: Completion): readonly unknown[] {
  if (message.error !== undefined) return [ResultKind.error, message.error];
  return 'result' in message ? [ResultKind.value, messagePackValue(message.result)] : [ResultKind.void];
}
