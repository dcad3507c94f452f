/** What the demo does over HTTP, it does in every arrangement: a test for each, on one demo for all tests of a file. */
import { test } from 'node:test';
import type { Running } from '../arrangements/arrangement.ts';
import { arrangements, shared } from '../arrangements/each-arrangement.ts';
import { API_KEY } from '../fixtures/back-end.ts';
import { Visitor } from './visitor.ts';

const demos = arrangements.map((arrangement) => ({
  ...arrangement,
  running: shared(() => arrangement.start({ demo: true, drainSeconds: 0 })),
}));

/** The visitor has the key: where the demo can be reached from elsewhere it is asked for. */
export function eachDemo(title: string, run: (server: Running, visitor: Visitor) => Promise<void>): void {
  for (const { name, skip, running } of demos) {
    test(`${title} (${name})`, { skip }, async () => {
      const server = await running();
      await run(server, new Visitor(server.url, { origin: server.url, bearer: API_KEY }));
    });
  }
}
