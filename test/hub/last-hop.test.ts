import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { parseConfiguration } from '../../src/server/configuration.ts';
import { openCore, type Core } from '../../src/server/core.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { createPageHub } from '../../src/server/hub/hub.ts';
import type { Page as PageOf } from '../../src/server/hub/page.ts';
import { Metrics } from '../../src/server/metrics.ts';
import { Endpoint } from '../../src/signalr/index.ts';
import { systemClock } from '../../src/clock.ts';
import { transports } from '../fixtures/each-setting.ts';
import { Page } from '../fixtures/page.ts';

interface Parts extends AsyncDisposable {
  readonly core: Core;
  readonly url: string;
  readonly errors: object[];
}

/** The hub over a core whose doorbell the test can ring; every page is taken for one of the transaction in its query. */
async function startHub(): Promise<Parts> {
  const errors: object[] = [];
  const ignore = (): void => undefined;
  const logger = { debug: ignore, info: ignore, warn: ignore, error: (fields: object) => void errors.push(fields) };
  const { limits, ...configuration } = parseConfiguration({ store: 'memory:' });
  const core = await openCore({ ...configuration, limits }, { clock: systemClock, logger });
  const metrics = new Metrics(() => 0);
  const handler = createPageHub({ ...core, limits, metrics, logger, clock: systemClock, node: 'here' });
  const endpoint = new Endpoint<PageOf>({
    handler,
    authenticate: ({ url }) => ({
      principal: {
        transactionId: url.searchParams.get('transaction') ?? '',
        tokenId: undefined,
        credentialHash: undefined,
        ticketHash: undefined,
        after: undefined,
      },
    }),
  });
  const server = createHttpServer({ listener: (_, response) => response.end(), endpoint, hubPath: '/hub' });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return {
    core,
    errors,
    url: `http://127.0.0.1:${address.port}/hub`,
    async [Symbol.asyncDispose]() {
      await endpoint[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
      await core.close();
    },
  };
}

for (const transport of transports) {
  test(`a message that came to the wrong connection is not sent, and ends it (${transport})`, async () => {
    await using parts = await startHub();
    const { core, errors } = parts;
    const [mine, other] = await Promise.all([0, 1].map(() => core.transactions.open({ ttlMs: 60_000 })));
    assert.ok(mine && other);
    await using page = await Page.open({ hubUrl: `${parts.url}?transaction=${mine.id}`, transport, reconnects: 3 });
    const { connectionId } = page.connection;
    assert.ok(connectionId);
    const { message } = await core.mailbox.append(other.id, { type: 'secret', data: '"of another"' });
    assert.deepEqual([errors, page.messages], [[], []]);
    core.backplane.ring(mine.id, message);
    assert.equal(await page.ended(), undefined);
    assert.deepEqual(page.messages, []);
    assert.deepEqual(errors, [{ event: 'message.misrouted', connectionId }]);
    // Nothing of it is counted for the transaction whose page did not get it.
    const own = await core.mailbox.append(mine.id, { type: 'note', data: '1' });
    assert.equal((await core.mailbox.receipt(mine.id, own.message.id)).attempts, 0);
  });
}
