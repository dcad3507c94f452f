/**
 * Webhook sources as configuration: which preset verifies them, with which secrets, and where in the body the transaction
 * and the type are. Verifies nothing itself.
 */
import { createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { didYouMean, shown } from './configuration-error.ts';
import { unexpected, written } from './option.ts';
import type { Reading } from './option.ts';

/** Shorter ones could be guessed. */
const SHORTEST_SECRET_BYTES = 16;
/** Each is tried on every webhook. */
const MOST_SECRETS = 10;
const PRESETS = ['standard-webhooks'] as const;

export interface WebhookSource {
  /** The last part of its address: `POST /webhooks/<name>`. */
  readonly name: string;
  readonly preset: (typeof PRESETS)[number];
  /** Several while one is rotated. Key objects, so that no log or dump shows their bytes. */
  readonly secrets: readonly KeyObject[];
  /** JSON pointer (RFC 6901) to the id or reference of the transaction. */
  readonly transaction: string;
  /** JSON pointer to the type of the message. */
  readonly type: string;
}

/** A secret, or the name of the environment variable that has it. */
type Secret = { readonly key: KeyObject } | { readonly variable: string };

const SECRET_FORM = 'whsec_ and then base64, or {"env": "<variable>"}';
const NAME_FORM = '1 to 64 of the characters A-Z, a-z, 0-9, ".", "_" and "-", first a letter or digit';
const POINTER_FORM = 'a JSON pointer like /data/reference';

const secretSchema = z.unknown().transform((value, context): Secret => {
  const reading = readSecret(value);
  if ('value' in reading) return reading.value;
  context.addIssue({ code: 'custom', message: reading.problem });
  return z.NEVER;
});

const preset = written('the name of a preset', (text): Reading<WebhookSource['preset']> => {
  const found = PRESETS.find((name) => name === text);
  return found === undefined ? { problem: `there is no preset ${shown(text)}; ${didYouMean(text, PRESETS)}` } : { value: found };
});

const pointer = written(POINTER_FORM, (text) =>
  /^(\/([^~/]|~[01])*)+$/.test(text) ? { value: text } : unexpected(text, POINTER_FORM),
);

const sourceSchema = z.strictObject({
  preset,
  secrets: z
    .array(secretSchema, { error: `expected a list of 1 to ${MOST_SECRETS} secrets` })
    .min(1, { error: `expected a list of 1 to ${MOST_SECRETS} secrets` })
    .max(MOST_SECRETS, { error: `expected a list of 1 to ${MOST_SECRETS} secrets` }),
  transaction: pointer,
  type: pointer.prefault('/type'),
});

export const webhookSourceKeys: readonly string[] = Object.keys(sourceSchema.shape);

/** Sources by name, their environment variables not looked up yet. */
export const webhooksSchema = z.record(
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { error: `the name of a source is ${NAME_FORM}` }),
  sourceSchema,
  { error: 'expected an object of sources by name' },
);

export interface WebhookFault {
  readonly path: readonly PropertyKey[];
  readonly problem: string;
}

/**
 * The sources with all their secrets.
 *
 * @param environment undefined where none may be read
 */
export function resolveWebhookSources(
  sources: z.output<typeof webhooksSchema>,
  environment: Readonly<Record<string, string | undefined>> | undefined,
): { sources: readonly WebhookSource[]; faults: readonly WebhookFault[] } {
  const faults: WebhookFault[] = [];
  const resolved = Object.entries(sources).map(([name, source]): WebhookSource => {
    const keys = source.secrets.flatMap((secret, index) => {
      const reading = 'key' in secret ? { value: secret.key } : readVariable(secret.variable, environment);
      if ('value' in reading) return [reading.value];
      faults.push({ path: ['webhooks', name, 'secrets', index], problem: reading.problem });
      return [];
    });
    return { ...source, name, secrets: keys };
  });
  return { sources: resolved, faults };
}

function readSecret(value: unknown): Reading<Secret> {
  if (typeof value === 'string') {
    const reading = readKey(value);
    return 'value' in reading ? { value: { key: reading.value } } : reading;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { problem: `expected ${SECRET_FORM}` };
  const wrong = Object.keys(value).find((key) => key !== 'env');
  if (wrong !== undefined) return { problem: `unknown key ${shown(wrong)}; ${didYouMean(wrong, ['env'])}` };
  const variable = 'env' in value ? value.env : undefined;
  if (typeof variable === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) return { value: { variable } };
  return { problem: 'expected the name of an environment variable as "env"' };
}

function readVariable(
  variable: string,
  environment: Readonly<Record<string, string | undefined>> | undefined,
): Reading<KeyObject> {
  if (environment === undefined) return { problem: `the library reads no environment (${variable}); expected the secret itself` };
  const text = environment[variable] ?? '';
  if (text === '') return { problem: `the environment variable ${variable} is not set` };
  const reading = readKey(text);
  return 'value' in reading ? reading : { problem: `the environment variable ${variable}: ${reading.problem}` };
}

/** A secret of Standard Webhooks: base64, after `whsec_`. Messages never hold a piece of it. */
function readKey(text: string): Reading<KeyObject> {
  const encoded = text.replace(/^whsec_/, '');
  if (encoded === '') return { problem: 'the secret is empty' };
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.replaceAll('=', '').length % 4 === 1)
    return { problem: 'the secret is not base64; expected whsec_ and then base64' };
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.length < SHORTEST_SECRET_BYTES
    ? { problem: `the secret has ${bytes.length} bytes; expected at least ${SHORTEST_SECRET_BYTES}` }
    : { value: createSecretKey(bytes) };
}
