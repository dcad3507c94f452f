/** Plays the payment provider: signs a Standard Webhook with the secret that it shares with the shop, and sends it. */
import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

const [url, secret, reference] = process.argv.slice(2);
if (url === undefined || secret === undefined || reference === undefined) throw new Error('usage: pay.ts <url> <secret> <order>');

const id = `evt_${randomUUID()}`;
const sentAt = new Date();
const body = JSON.stringify({ type: 'payment.succeeded', timestamp: sentAt.toISOString(), data: { reference, amount: 4200 } });
const response = await fetch(`${url}/webhooks/acme`, {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, sentAt, body),
  },
  body,
});
console.log(response.status, await response.text());
