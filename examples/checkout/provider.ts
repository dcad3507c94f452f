/** The pretended payment provider: the secret that it and the shop share, and how to make it call. */
import { randomBytes } from 'node:crypto';

/** A real one is shown once, in the provider's dashboard. Without one: made anew at each start, so that nobody knows it. */
export const secret = process.env['ACME_SECRET'] ?? `whsec_${randomBytes(24).toString('base64')}`;

export function tell(url: string): void {
  console.log(`open ${url}`);
  console.log(`then pay the order that it shows: npm run -s example pay.ts ${url} ${secret} <order>`);
}
