import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliver, event, webhooks } from '../webhooks/delivery.ts';
import { newSecret } from '../webhooks/provider.ts';
import { frameworks, startApp } from './app.ts';

for (const framework of frameworks) {
  test(`a webhook reaches its transaction in an app, below a prefix, before and after it is opened (${framework.name})`, async () => {
    await using app = await startApp(framework, { webhooks, prefix: '/ringback' });
    const url = `${app.url}/ringback`;
    assert.equal((await deliver(url, event('order-7', 'early'))).status, 200);
    const { id } = await app.ringback.open({ reference: 'order-7' });
    assert.equal((await deliver(url, event('order-7', 'paid'))).status, 200);
    assert.equal((await deliver(url, event('order-7', 'forged'), { secret: newSecret() })).status, 401);
    const { messages } = await app.ringback.messages(id);
    assert.deepEqual(
      messages.map(({ type }) => type),
      ['early', 'paid'],
    );
    assert.match((await deliver(app.url, event('order-7'))).text, /the shop has no such page/);
  });
}
