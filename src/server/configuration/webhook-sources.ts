/**
 * Webhook sources as configuration: which preset verifies them, with which secrets, and where in the body the transaction
 * and the type are. What a source is, and what a preset, is said in `src/webhooks/`.
 */
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { isPresetName, presetNames, presets, type PresetName } from '../../webhooks/presets.ts';
import { readSecret } from '../../webhooks/secret.ts';
import type { WebhookSource } from '../../webhooks/source.ts';
import { didYouMean, shown } from './configuration-error.ts';
import { unexpected, written } from './option.ts';
import type { Reading } from './option.ts';

/** Each is tried on every webhook. */
const MOST_SECRETS = 10;

/** A secret as it is written, or the name of the environment variable that has it. */
type Secret = { readonly text: string } | { readonly variable: string };

const SECRETS_FORM = `a list of 1 to ${MOST_SECRETS} secrets`;
const SECRET_FORM = 'whsec_ and then base64, or {"env": "<variable>"}';
const NAME_FORM = '1 to 64 of the characters A-Z, a-z, 0-9, ".", "_" and "-", first a letter or digit';
const NAME_PROBLEM = `the name of a source is ${NAME_FORM}`;
const POINTER_FORM = 'a JSON pointer like /data/reference';

const secretSchema = z.unknown().transform((value, context): Secret => {
  const reading = locateSecret(value);
  if ('value' in reading) return reading.value;
  context.addIssue({ code: 'custom', message: reading.problem });
  return z.NEVER;
});

const preset = written('the name of a preset', (text): Reading<PresetName> =>
  isPresetName(text) ? { value: text } : { problem: `there is no preset ${shown(text)}; ${didYouMean(text, presetNames)}` },
);

/** Members of no provider's body; whoever sends one is after what objects inherit. */
const INHERITED_STEP = /\/(__proto__|constructor|prototype)(?=\/|$)/;

const pointer = written(POINTER_FORM, (text): Reading<string> => {
  const step = INHERITED_STEP.exec(text)?.[1];
  if (step !== undefined) return { problem: `refused the step ${shown(step)}; expected ${POINTER_FORM}` };
  return /^(\/([^~/]|~[01])*)+$/.test(text) ? { value: text } : unexpected(text, POINTER_FORM);
});

const sourceSchema = z.strictObject({
  preset,
  secrets: z
    .array(secretSchema, { error: `expected ${SECRETS_FORM}` })
    .min(1, { error: `expected ${SECRETS_FORM}` })
    .max(MOST_SECRETS, { error: `expected ${SECRETS_FORM}` })
    .readonly(),
  transaction: pointer,
  type: pointer.optional(),
});

export const webhookSourceKeys: readonly string[] = Object.keys(sourceSchema.shape);

/** Sources by name, their environment variables not looked up yet. */
export const webhooksSchema = z.record(
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { error: NAME_PROBLEM }),
  sourceSchema,
  { error: 'expected an object of sources by name' },
);

export interface WebhookFault {
  readonly path: readonly PropertyKey[];
  readonly problem: string;
}

/** Of one name zod says nothing: it leaves it out. */
export function faultsOfNames(webhooks: unknown): readonly WebhookFault[] {
  const isThere = typeof webhooks === 'object' && webhooks !== null && Object.hasOwn(webhooks, '__proto__');
  return isThere ? [{ path: ['webhooks', '__proto__'], problem: NAME_PROBLEM }] : [];
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
    const form = presets[source.preset];
    const keys = source.secrets.flatMap((secret, index) => {
      const reading =
        'text' in secret ? readSecret(secret.text, form.secret) : readVariable(secret.variable, source.preset, environment);
      if ('value' in reading) return [reading.value];
      faults.push({ path: ['webhooks', name, 'secrets', index], problem: reading.problem });
      return [];
    });
    return { ...source, name, secrets: keys, type: source.type ?? form.type };
  });
  return { sources: resolved, faults };
}

/** Reads nothing of the secret itself: its form depends on the preset. */
function locateSecret(value: unknown): Reading<Secret> {
  if (typeof value === 'string') return { value: { text: value } };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { problem: `expected ${SECRET_FORM}` };
  const wrong = Object.keys(value).find((key) => key !== 'env');
  if (wrong !== undefined) return { problem: `unknown key ${shown(wrong)}; ${didYouMean(wrong, ['env'])}` };
  const variable = 'env' in value ? value.env : undefined;
  if (typeof variable === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) return { value: { variable } };
  return { problem: 'expected the name of an environment variable as "env"' };
}

function readVariable(
  variable: string,
  name: PresetName,
  environment: Readonly<Record<string, string | undefined>> | undefined,
): Reading<KeyObject> {
  if (environment === undefined) return { problem: `the library reads no environment (${variable}); expected the secret itself` };
  const text = environment[variable] ?? '';
  if (text === '') return { problem: `the environment variable ${variable} is not set` };
  const reading = readSecret(text, presets[name].secret);
  return 'value' in reading ? reading : { problem: `the environment variable ${variable}: ${reading.problem}` };
}
