/** What keys, ids, references and message types may be, whoever brings them: an API call, a webhook, an embedding app. */

/** No control characters, no line or paragraph separators, no lone surrogates. */
export const NAME = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]{1,200}$/u;

export const MESSAGE_TYPE = /^[A-Za-z0-9._:/-]{1,100}$/;

/** Whether a text names a transaction by its id; any other one is a reference of the app's. */
export function isTransactionId(text: string): boolean {
  return text.startsWith('txn_');
}
