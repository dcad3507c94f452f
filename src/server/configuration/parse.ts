/**
 * The configuration of a server: from whatever a person wrote to something that needs no second look.
 *
 * Knows no command line, no file and no environment; `sources.ts` joins those.
 */
import type { z } from 'zod';
import { ConfigurationError, didYouMean, shown } from './configuration-error.ts';
import { limitsObject } from './limits.ts';
import type { Limits } from './limits.ts';
import type { BackplaneLocation, StoreLocation } from './locations.ts';
import { configurationSchema } from './schema.ts';
import type { LogLevel } from './schema.ts';
import { faultsOfNames, resolveWebhookSources, webhookSourceKeys } from './webhook-sources.ts';
import type { WebhookSource } from '../../webhooks/source.ts';

/** A checked configuration; every default is filled in. */
export interface Configuration {
  /** IPv6 without brackets. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly store: StoreLocation;
  readonly backplane: BackplaneLocation;
  /** As browsers send them. Absent: the default list; empty: none. */
  readonly allowedOrigins?: readonly string[];
  /** CIDR notation. */
  readonly trustedProxies: readonly string[];
  /** Without a slash at its end; may have a path. */
  readonly publicUrl?: string;
  /** Absent: the local address of the connection to the database. */
  readonly peerHost?: string;
  /** 0: any free one. */
  readonly peerPort: number;
  readonly retentionSeconds: number;
  /** Absent: no metrics are served; 0: any free one. */
  readonly metricsPort?: number;
  readonly drainSeconds: number;
  readonly demo: boolean;
  readonly logLevel: LogLevel;
  readonly allowTokenInQuery: boolean;
  /** Spends less memory on an idle connection; the process that serves also gets other flags for it. */
  readonly lean: boolean;
  readonly limits: Limits;
  readonly webhooks: readonly WebhookSource[];
}

type Loose<Object> = { readonly [Key in keyof Object]?: Object[Key] | undefined };
type Written = Omit<z.input<typeof configurationSchema>, 'azureSignalr' | 'azureMode' | 'limits'>;

/** What a person writes: the keys of the configuration file, all optional; undefined counts as absent. */
export type RingbackConfiguration = Loose<Written> & { readonly limits?: Loose<Limits> | undefined };

export interface ParseContext {
  /** What to call the value at a path, in messages. */
  readonly label: (path: readonly PropertyKey[]) => string;
  /** Where webhook secrets given as `{"env": …}` are found; absent: such secrets are refused. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Checks an object as it comes from a configuration file or from an app that embeds the server.
 *
 * @throws ConfigurationError naming every fault
 */
export function parseConfiguration(input: unknown = {}): Configuration {
  return parseConfigurationWith(input, { label: (path) => pathText(path) || 'the configuration' });
}

/** As {@link parseConfiguration}, with words for where values came from. */
export function parseConfigurationWith(input: unknown, context: ParseContext): Configuration {
  const present = withoutUndefined(input);
  const parsed = configurationSchema.safeParse(present);
  if (!parsed.success) throw new ConfigurationError(faultsOf(parsed.error.issues, present, context.label));
  const { allowedOrigins, azureSignalr: _azure, azureMode: _mode, webhooks, backplane, ...rest } = parsed.data;
  const { sources, faults: secretFaults } = resolveWebhookSources(webhooks, context.environment);
  const faults = [...faultsOfNames(isRecord(present) ? present['webhooks'] : undefined), ...secretFaults];
  if (faults.length > 0) throw new ConfigurationError(faults.map(({ path, problem }) => `${context.label(path)}: ${problem}`));
  const { port, metricsPort } = rest;
  if (port !== 0 && port === metricsPort) {
    throw new ConfigurationError([`${context.label(['metricsPort'])}: expected another port than the server's own, ${port}`]);
  }
  return {
    ...rest,
    backplane: backplaneFor(rest.store, backplane, context.label),
    ...(allowedOrigins && { allowedOrigins: [...new Set(allowedOrigins)] }),
    webhooks: sources,
  };
}

/** A store that instances can share brings the doorbell between them. */
function backplaneFor(
  store: StoreLocation,
  backplane: BackplaneLocation | undefined,
  label: ParseContext['label'],
): BackplaneLocation {
  const isShared = store.kind === 'postgres';
  if (backplane?.kind !== 'postgres' || isShared) return backplane ?? { kind: isShared ? 'postgres' : 'memory' };
  throw new ConfigurationError([
    `${label(['backplane'])}: expected memory: with a store of the kind ${store.kind}; postgres: rings through the database of a store postgres://…`,
  ]);
}

/** `webhooks.acme.secrets[1]`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const name = /^[\w.:-]{1,64}$/.test(String(part)) ? String(part) : shown(String(part));
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

/** An app writes `publicUrl: settings.url` whether it has one or not. */
function withoutUndefined(input: unknown): unknown {
  if (!isRecord(input)) return input;
  const present = Object.entries(input).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present.map(([key, value]) => [key, key === 'limits' ? withoutUndefined(value) : value]));
}

function faultsOf(issues: readonly z.core.$ZodIssue[], input: unknown, label: ParseContext['label']): readonly string[] {
  const faults = issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [`${label(issue.path)}: ${problemOf(issue, valueAt(input, issue.path))}`];
    const known = knownKeys(issue.path);
    return issue.keys.map((key) => `${label([...issue.path, key])}: unknown key; ${didYouMean(key, known)}`);
  });
  // A value can break several rules of one sentence.
  return [...new Set(faults)];
}

function problemOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'custom') return issue.message;
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  if (issue.code === 'invalid_type' && value === undefined) return `missing; ${sentence(issue)}`;
  // A secret in the wrong place, say a text where the list of secrets belongs, is still a secret.
  const got = issue.path[0] === 'webhooks' && typeof value === 'string' ? 'a text' : shown(value);
  return `${sentence(issue)}, got ${got}`;
}

/** Zod's own words only where the schema has none: a thing that should have been an object. */
function sentence(issue: z.core.$ZodIssue): string {
  return issue.message.startsWith('expected') ? issue.message : 'expected an object';
}

function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  if (path[0] === 'limits') return Object.keys(limitsObject.shape);
  if (path[0] === 'webhooks') return webhookSourceKeys;
  return Object.keys(configurationSchema.shape);
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return value[Number(key)];
    return isRecord(value) && Object.hasOwn(value, key) ? value[String(key)] : undefined;
  }, input);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
