/** Each generation of the official JavaScript client in Node, over each transport, in each hub protocol: what it can do, it can do here. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type ConformanceServer, startConformanceServer } from '../fixtures/conformance/start.ts';
import { Proxy } from '../fixtures/proxy.ts';
import { features } from './features.ts';
import { generations } from './generations.ts';
import type { ProtocolName, TransportName } from './library.ts';
import { type How, Visit } from './visit.ts';

/** What takes longer waits for what does not come. */
const PATIENCE_MS = 20_000;
const TRANSPORTS: readonly TransportName[] = ['WebSockets', 'ServerSentEvents', 'LongPolling'];
const PROTOCOLS: readonly ProtocolName[] = ['json', 'messagepack'];

let server: ConformanceServer;

before(async () => {
  server = await startConformanceServer();
});
after(() => server[Symbol.asyncDispose]());

/** With clients that are stopped afterwards. */
async function visiting<T>(how: How, work: (visit: Visit) => Promise<T>): Promise<T> {
  await using proxy = await Proxy.start(server.url);
  const visit = new Visit({
    ...how,
    url: server.url,
    cuttableUrl: proxy.url,
    cut: async () => proxy.cut(),
    read: async (url) => (await fetch(url)).text(),
  });
  try {
    return await work(visit);
  } finally {
    await visit.end();
  }
}

function isPossible({ transport, protocol }: Omit<How, 'generation'>): boolean {
  return protocol === 'json' || transport !== 'ServerSentEvents';
}

const ways = TRANSPORTS.flatMap((transport) => PROTOCOLS.map((protocol) => ({ transport, protocol })));

for (const generation of generations) {
  for (const way of ways.filter(isPossible)) {
    const how = { generation, ...way };
    suite(`client ${generation.library.VERSION}, ${way.transport}, ${way.protocol}`, { concurrency: 4 }, () => {
      for (const [title, feature] of Object.entries(features)) {
        if (feature.isThere?.(how) === false) continue;
        test(title, { timeout: PATIENCE_MS }, async () => {
          assert.deepEqual(await visiting(how, feature.see), feature.expected);
        });
      }
    });
  }

  test(`client ${generation.library.VERSION} is told that events carry no MessagePack`, { timeout: PATIENCE_MS }, async () => {
    const how = { generation, transport: 'ServerSentEvents', protocol: 'messagepack' } as const;
    await visiting(how, async (visit) => {
      await assert.rejects(visit.connect(), /'ServerSentEvents' does not support Binary/);
    });
  });

  for (const protocol of PROTOCOLS) {
    test(`client ${generation.library.VERSION} finds a transport for ${protocol} itself`, { timeout: PATIENCE_MS }, async () => {
      const how = { generation, transport: undefined, protocol };
      await visiting(how, async (visit) => {
        const found: unknown[] = [];
        for (const path of ['/testhub', '/testhub-nowebsockets', '/testhub-longpolling']) {
          const client = await visit.connect({ path });
          found.push(await client.invoke('GetActiveTransportName'));
        }
        const second = protocol === 'json' ? 'ServerSentEvents' : 'LongPolling';
        assert.deepEqual(found, ['WebSockets', second, 'LongPolling']);
      });
    });
  }
}

test('the matrix holds what it says', () => {
  assert.deepEqual(
    generations.map(({ library }) => Number.parseInt(library.VERSION, 10)),
    [5, 6, 7, 8, 9, 10],
  );
  assert.equal(ways.filter(isPossible).length, 5);
  assert.ok(Object.keys(features).length > 20);
});
