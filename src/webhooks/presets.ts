/** The providers that are known, one entry each. */
import type { Preset } from './preset.ts';

export const presets = {
  /** @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
  'standard-webhooks': {
    secret: { prefix: 'whsec_' },
    headers: { id: 'webhook-id', timestamp: 'webhook-timestamp', signatures: 'webhook-signature' },
    signature: { separator: ' ', prefix: 'v1,', encoding: 'base64' },
    content: '{id}.{timestamp}.{body}',
    algorithm: 'sha256',
    toleranceSeconds: 300,
    type: '/type',
    data: 'data',
    answer: { status: 200, json: '{}' },
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof presets;

export const presetNames: readonly string[] = Object.keys(presets);

export function isPresetName(text: string): text is PresetName {
  return Object.hasOwn(presets, text);
}
