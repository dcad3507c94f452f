/** A source of webhooks: one provider's account, as the app has configured it. */
import type { KeyObject } from 'node:crypto';
import type { PresetName } from './presets.ts';

export interface WebhookSource {
  /** The last part of its address: `POST /webhooks/<name>`. */
  readonly name: string;
  readonly preset: PresetName;
  /** Several while one is rotated. Key objects, so that no log or dump shows their bytes. */
  readonly secrets: readonly KeyObject[];
  /** JSON pointer (RFC 6901) to the id or reference of the transaction. */
  readonly transaction: string;
  /** JSON pointer to the type of the message. */
  readonly type: string;
}
