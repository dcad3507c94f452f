/**
 * The JSON hub protocol: one JSON object and a record separator a message.
 *
 * @see HubProtocol.md, "JSON Encoding"
 */
import { findTextFrame } from './framing.ts';
import type { HubProtocol } from './hub-protocol.ts';
import { encodeJsonValue, parseJsonObject } from './json-value.ts';
import { type HubMessage, type Invocation, MessageType } from './messages.ts';
import { ProtocolError } from './protocol-error.ts';

type Members = Readonly<Record<string, unknown>>;

export const jsonProtocol: HubProtocol = {
  name: 'json',
  transferFormat: 'Text',
  findFrame: findTextFrame,
  parse: (frame) => readMessage(parseJsonObject(frame.subarray(0, -1))),
  encode: (message) => `${writeMessage(message)}\u001e`,
};

function readMessage(members: Members): HubMessage | undefined {
  const { type } = members;
  if (type === undefined) throw missing('type');
  if (typeof type !== 'number') throw new ProtocolError("Expected 'type' to be of type Number.");
  if ((type | 0) !== type) throw new ProtocolError(`Expected 'type' to be a 32-bit integer, got ${type}.`);
  switch (type) {
    case MessageType.invocation:
    case MessageType.streamInvocation:
      return readInvocation(members, type);
    case MessageType.streamItem:
      return { type, ...readHeaders(members), ...readInvocationId(members), item: required(members, 'item') };
    case MessageType.completion:
      return readCompletion(members);
    case MessageType.cancelInvocation:
      return { type, ...readHeaders(members), ...readInvocationId(members) };
    case MessageType.ping:
      return { type };
    case MessageType.close:
      return { type, ...optional('error', optionalString(members, 'error')), ...readAllowReconnect(members) };
    case MessageType.ack:
    case MessageType.sequence:
      return { type, sequenceId: readSequenceId(members) };
    default:
      return undefined;
  }
}

function readInvocation(members: Members, type: Invocation['type']): Invocation {
  const headers = readHeaders(members);
  const invocationId = optionalString(members, 'invocationId');
  const target = optionalString(members, 'target');
  const args = optionalArray(members, 'arguments');
  const streamIds = optionalArray(members, 'streamIds');
  if (streamIds?.includes(null)) throw new ProtocolError("Null value for 'streamIds' is not valid.");
  if (streamIds?.some((id) => typeof id !== 'string')) throw new ProtocolError("Expected 'streamIds' to be of type String.");
  if (type === MessageType.streamInvocation && !invocationId) throw missing('invocationId');
  if (target === undefined) throw missing('target');
  if (args === undefined) throw missing('arguments');
  return {
    type,
    ...headers,
    ...optional('invocationId', invocationId),
    target,
    arguments: args,
    ...optional('streamIds', streamIds?.map(String)),
  };
}

function readCompletion(members: Members): HubMessage {
  const headers = readHeaders(members);
  const id = readInvocationId(members);
  const error = optionalString(members, 'error');
  const hasResult = Object.hasOwn(members, 'result');
  if (error !== undefined && hasResult) {
    throw new ProtocolError("The 'error' and 'result' properties are mutually exclusive.");
  }
  const outcome = hasResult ? { result: members['result'] } : optional('error', error);
  return { type: MessageType.completion, ...headers, ...id, ...outcome };
}

function readHeaders(members: Members): { headers?: Readonly<Record<string, string>> } {
  const { headers } = members;
  if (headers === undefined) return {};
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw new ProtocolError("Expected 'headers' to be of type StartObject.");
  }
  const read: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') throw new ProtocolError(`Expected header '${name}' to be of type String.`);
    read.push([name, value]);
  }
  return { headers: Object.fromEntries(read) };
}

function readInvocationId(members: Members): { invocationId: string } {
  const invocationId = optionalString(members, 'invocationId');
  if (!invocationId) throw missing('invocationId');
  return { invocationId };
}

function readAllowReconnect(members: Members): { allowReconnect?: boolean } {
  const { allowReconnect } = members;
  if (allowReconnect === undefined) return {};
  if (typeof allowReconnect !== 'boolean') throw new ProtocolError("Expected 'allowReconnect' to be true or false.");
  return { allowReconnect };
}

function readSequenceId(members: Members): number {
  const value = members['sequenceId'] ?? undefined;
  if (value === undefined) throw missing('sequenceId');
  if (!Number.isSafeInteger(value)) throw new ProtocolError("Expected 'sequenceId' to be of type Number.");
  return Number(value);
}

function required(members: Members, name: string): unknown {
  if (!Object.hasOwn(members, name)) throw missing(name);
  return members[name];
}

function optionalString(members: Members, name: string): string | undefined {
  const value = members[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new ProtocolError(`Expected '${name}' to be of type String.`);
}

function optionalArray(members: Members, name: string): readonly unknown[] | undefined {
  const value = members[name];
  if (value === undefined || Array.isArray(value)) return value;
  throw new ProtocolError(`Expected '${name}' to be of type Array.`);
}

function missing(name: string): ProtocolError {
  return new ProtocolError(`Missing required property '${name}'.`);
}

function optional<Name extends string, T>(name: Name, value: T | undefined): { [K in Name]?: T } {
  const member: { [K in Name]?: T } = {};
  if (value !== undefined) member[name] = value;
  return member;
}

/** The order of the members is fixed: type, headers, invocationId, target, arguments, streamIds. */
function writeMessage(message: HubMessage): string {
  switch (message.type) {
    case MessageType.invocation:
    case MessageType.streamInvocation:
      return `${open(message)}${id(message)},"target":${JSON.stringify(message.target)},"arguments":[${writeArguments(message.arguments)}]${streamIds(message)}}`;
    case MessageType.streamItem:
      return `${open(message)}${id(message)},"item":${encodeJsonValue(message.item)}}`;
    case MessageType.completion:
      if (message.error !== undefined) return `${open(message)}${id(message)},"error":${JSON.stringify(message.error)}}`;
      if (!('result' in message)) return `${open(message)}${id(message)}}`;
      return `${open(message)}${id(message)},"result":${encodeJsonValue(message.result)}}`;
    case MessageType.cancelInvocation:
      return `${open(message)}${id(message)}}`;
    case MessageType.ping:
      return '{"type":6}';
    case MessageType.close:
      return JSON.stringify({ type: 7, error: message.error, allowReconnect: message.allowReconnect === true || undefined });
    case MessageType.ack:
    case MessageType.sequence:
      return `{"type":${message.type},"sequenceId":${message.sequenceId}}`;
  }
}

function open({ type, headers }: { readonly type: number; readonly headers?: Readonly<Record<string, string>> }): string {
  return headers === undefined ? `{"type":${type}` : `{"type":${type},"headers":${JSON.stringify(headers)}`;
}

function id({ invocationId }: { readonly invocationId?: string }): string {
  return invocationId === undefined ? '' : `,"invocationId":${JSON.stringify(invocationId)}`;
}

function writeArguments(args: readonly unknown[]): string {
  const [first] = args;
  return args.length === 1 ? encodeJsonValue(first) : args.map(encodeJsonValue).join(',');
}

function streamIds({ streamIds: ids }: Invocation): string {
  return ids === undefined || ids.length === 0 ? '' : `,"streamIds":${JSON.stringify(ids)}`;
}
