/** What a provider is, as data: how it signs, where things are, what it wants to hear. No code of any provider is here. */

/** How the secrets of a provider are written by people: as base64, after a prefix that may be left out. */
export interface SecretForm {
  readonly prefix: string;
}

export interface Preset {
  readonly secret: SecretForm;
  /** Names in lower case. Each header must be there exactly once, and not be empty. */
  readonly headers: {
    /** The event: the same in every attempt to deliver it, of another one never. */
    readonly id: string;
    /** When it was signed: Unix time in seconds. */
    readonly timestamp: string;
    readonly signatures: string;
  };
  /** A header may hold several signatures, while a secret is rotated; entries that begin otherwise are of another version. */
  readonly signature: { readonly separator: string; readonly prefix: string; readonly encoding: 'base64' };
  /** What is signed: `{id}`, `{timestamp}` and `{body}` stand for their bytes as they came. */
  readonly content: string;
  /** A hash that `createHmac` knows. */
  readonly algorithm: 'sha256';
  /** How far the time of the signature may be from ours, in both directions. */
  readonly toleranceSeconds: number;
  /** JSON pointer to the type of the message, where a source names no other. */
  readonly type: string;
  /** The member of the body that becomes the data of the message. */
  readonly data: string;
  /** Whatever became of a verified event, as long as it is not to be sent again. */
  readonly answer: { readonly status: number; readonly json: string };
}
