/**
 * Ringback inside an app's own server: mounted on it, and called as functions. The same operations as over HTTP, without a
 * key: who holds the object may.
 */
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { RingbackError } from '../errors.ts';
import { JsonTextError, parseJsonText } from '../json/json-text.ts';
import type { Logger } from '../logger.ts';
import type { JsonText } from '../store/store.ts';
import { API_KEY_FORM, isApiKey } from './api-keys.ts';
import { ConfigurationError, parseConfiguration, type RingbackConfiguration } from './configuration.ts';
import { shown } from './configuration/configuration-error.ts';
import { batch } from './http/batch-schemas.ts';
import { ackBody, messageType, name, newReference } from './http/schemas.ts';
import { faultsOf } from './http/validate.ts';
import type { Authenticate } from './hub/authentication.ts';
import { Mount } from './mount.ts';
import { assemble, type Assembly } from './ringback.ts';
import {
  resultsJson,
  type BatchResult,
  type MailboxPageView,
  type ReceiptView,
  type SentView,
  type TransactionView,
  type WireCallback,
  type WireOpened,
  type WireSettled,
  type WireToken,
} from './wire.ts';

/** The names of the configuration file, and what only code can give. All optional. */
export interface RingbackOptions extends RingbackConfiguration {
  /** For back ends that use the HTTP API. Default: none, so that only these functions can send. */
  readonly apiKeys?: readonly string[];
  /** The custom auth handler: which transaction may this page receive? Default: that of its access token. */
  readonly authenticate?: Authenticate;
  /** A pino instance fits. Default: silent. */
  readonly logger?: Logger;
  /** Path in front of all routes, for example `/ringback`. Default: none. */
  readonly prefix?: string;
  /** For tests that turn the time by hand. */
  readonly clock?: Clock;
}

export interface OpenOptions {
  /** Seconds for which it takes messages. Default: the limit `ttlSecondsDefault`. */
  readonly ttlSeconds?: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** The app's own name for it, unique among live transactions. Never begins with `txn_`. */
  readonly reference?: string;
}

export interface Message {
  readonly type: string;
  /** Anything that JSON can say. */
  readonly data: unknown;
  /** Makes repeating safe; becomes the id of the message. */
  readonly id?: string;
  /** Makes repeating safe. */
  readonly idempotencyKey?: string;
  /** Seconds to wait for the page's answer; 30 at most. Default: not at all. */
  readonly waitSeconds?: number;
}

/** One of many that are sent at once. */
export interface BatchMessage {
  /** The id of the transaction that it is for. */
  readonly transaction: string;
  readonly type: string;
  /** Anything that JSON can say. */
  readonly data: unknown;
  /** Makes repeating safe; becomes the id of the message. */
  readonly id?: string;
}

export interface Ack {
  readonly sequence: number;
  /** Anything that JSON can say. Not together with an error. */
  readonly reply?: unknown;
  readonly error?: string;
}

/** Every method throws a `RingbackError` with a stable `code`, as the HTTP API answers it. */
export interface Ringback {
  /**
   * Answers the requests and upgrades of this server that are Ringback's; all others go to whom they went before. Works
   * with every framework that runs on `node:http`, before or after it listens.
   */
  mount(server: Server | TlsServer): void;
  open(options?: OpenOptions): Promise<WireOpened>;
  transaction(id: string): Promise<TransactionView>;
  transactionsByReference(reference: string): Promise<readonly TransactionView[]>;
  addToken(id: string): Promise<WireToken>;
  revokeToken(id: string, tokenId: string): Promise<void>;
  addCallback(id: string): Promise<WireCallback>;
  revokeCallback(id: string, callbackId: string): Promise<void>;
  /** Resolves when the message is committed, and with `waitSeconds` when the page has answered or the time is over. */
  send(id: string, message: Message): Promise<SentView>;
  /**
   * Sends 1 to 1,000 messages at once, for as many transactions: one commit, and one result for each, in their order. Throws
   * where one does not fit its schema, or the store can answer for none; then nothing of it was acknowledged.
   */
  sendAll(messages: readonly BatchMessage[]): Promise<readonly BatchResult[]>;
  messages(id: string, range?: { readonly after?: number; readonly limit?: number }): Promise<MailboxPageView>;
  /** On behalf of a page that has no connection: it handled everything up to a sequence, or, with `error`, failed that one. */
  acknowledge(id: string, ack: Ack): Promise<void>;
  receipt(id: string, messageId: string): Promise<ReceiptView>;
  settle(id: string): Promise<WireSettled>;
  forget(id: string): Promise<void>;
  /** Sends pages away in a way that lets them come back, makes everything durable, lets go of the store. */
  close(): Promise<void>;
}

/**
 * @throws ConfigurationError for an option that is unknown or wrong
 * @throws StoreInUseError when another process has the SQLite file
 */
export async function createRingback(options: RingbackOptions = {}): Promise<Ringback> {
  const { apiKeys = [], authenticate, logger, prefix = '', clock, ...rest } = options;
  requirePrefix(prefix);
  requireKeys(apiKeys);
  const configuration = parseConfiguration(rest);
  if (configuration.demo) throw new ConfigurationError(['demo: an app has none; it is served by "ringback serve --demo"']);
  const assembly = await assemble(configuration, { apiKeys, authenticate, logger, prefix, clock });
  return new Embedded(assembly, {
    prefix,
    drainMs: configuration.drainSeconds * 1000,
    jsonDepth: configuration.limits.jsonDepth,
  });
}

function requirePrefix(prefix: string): void {
  if (/^(?:\/[\w.~-]+)*$/.test(prefix)) return;
  throw new ConfigurationError([`prefix: expected a path such as "/ringback", without a slash at its end, got ${shown(prefix)}`]);
}

function requireKeys(apiKeys: readonly string[]): void {
  const wrong = apiKeys.findIndex((key) => !isApiKey(key));
  if (wrong !== -1) throw new ConfigurationError([`apiKeys: expected ${API_KEY_FORM} as entry ${wrong + 1}`]);
}

interface EmbeddedOptions {
  readonly prefix: string;
  readonly drainMs: number;
  readonly jsonDepth: number;
}

const openOptions = z.strictObject({
  ttlSeconds: z.int().min(1).optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  reference: newReference.optional(),
});
const messageOptions = z.strictObject({
  type: messageType,
  data: z.unknown(),
  id: name.optional(),
  idempotencyKey: name.optional(),
  waitSeconds: z.number().min(0).optional(),
});
const rangeOptions = z.strictObject({ after: z.int().min(0).default(0), limit: z.int().min(1).max(1000).default(100) });

class Embedded implements Ringback {
  readonly #assembly: Assembly;
  readonly #options: EmbeddedOptions;
  readonly #mount: Mount;

  constructor(assembly: Assembly, options: EmbeddedOptions) {
    this.#assembly = assembly;
    this.#options = options;
    this.#mount = new Mount(assembly, options.prefix);
  }

  mount(server: Server | TlsServer): void {
    this.#mount.on(server);
  }

  async open(options: OpenOptions = {}): Promise<WireOpened> {
    const { ttlSeconds, reference, metadata } = checked(openOptions, options);
    return this.#assembly.api.open({ ttlSeconds, reference, metadata: metadata && this.#json('/metadata', metadata) });
  }

  async transaction(id: string): Promise<TransactionView> {
    return JSON.parse(await this.#assembly.api.transaction(id, true));
  }

  async transactionsByReference(reference: string): Promise<readonly TransactionView[]> {
    const found: { transactions: TransactionView[] } = JSON.parse(
      await this.#assembly.api.transactionsByReference(checked(name, reference)),
    );
    return found.transactions;
  }

  addToken(id: string): Promise<WireToken> {
    return this.#assembly.api.addToken(id);
  }

  revokeToken(id: string, tokenId: string): Promise<void> {
    return this.#assembly.api.revokeToken(id, tokenId);
  }

  addCallback(id: string): Promise<WireCallback> {
    return this.#assembly.api.addCallback(id);
  }

  revokeCallback(id: string, callbackId: string): Promise<void> {
    return this.#assembly.api.revokeCallback(id, callbackId);
  }

  async send(id: string, message: Message): Promise<SentView> {
    const input = checked(messageOptions, message);
    const { json } = await this.#assembly.api.send(id, { ...input, data: this.#json('/data', input.data) });
    return JSON.parse(json);
  }

  async sendAll(messages: readonly BatchMessage[]): Promise<readonly BatchResult[]> {
    const inputs = checked(batch, messages).map((message, index) => ({
      ...message,
      data: this.#json(`/${index}/data`, message.data),
    }));
    const { results }: { results: BatchResult[] } = JSON.parse(resultsJson(await this.#assembly.api.sendAll(inputs)));
    return results;
  }

  async messages(id: string, range: { readonly after?: number; readonly limit?: number } = {}): Promise<MailboxPageView> {
    return JSON.parse(await this.#assembly.api.messages(id, checked(rangeOptions, range), false));
  }

  async acknowledge(id: string, ack: Ack): Promise<void> {
    const { sequence, reply, error } = checked(ackBody, ack);
    await this.#assembly.api.acknowledge(id, {
      sequence,
      ...(reply !== undefined && { reply: this.#json('/reply', reply) }),
      ...(error !== undefined && { error }),
    });
  }

  async receipt(id: string, messageId: string): Promise<ReceiptView> {
    return JSON.parse(await this.#assembly.api.receipt(id, messageId));
  }

  settle(id: string): Promise<WireSettled> {
    return this.#assembly.api.settle(id);
  }

  forget(id: string): Promise<void> {
    return this.#assembly.api.forget(id);
  }

  async close(): Promise<void> {
    await this.#assembly.drain(this.#options.drainMs);
    this.#mount[Symbol.dispose]();
    await this.#assembly.close();
  }

  #json(field: string, value: unknown): JsonText {
    try {
      const text: string | undefined = JSON.stringify(value);
      if (text !== undefined) return parseJsonText(text, this.#options.jsonDepth).compact;
    } catch (error) {
      if (error instanceof JsonTextError && error.fault === 'depth')
        throw new RingbackError('json_too_deep', { detail: error.message, cause: error });
    }
    throw new RingbackError('invalid_request', { faults: [{ field, message: 'expected a value that JSON can say' }] });
  }
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new RingbackError('invalid_request', { faults: faultsOf(result.error, 'body') });
}
