/** A provider that was answered believes it: what it was answered has to be there when the process is killed right after. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { killAll, startAll, type Running } from '../arrangements/arrangement.ts';
import { arrangements } from '../arrangements/each-arrangement.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { deliver, event, webhooks } from './delivery.ts';

const EVENTS = 120;
/** Deliveries that are under way at a time. */
const AT_A_TIME = 20;
/** Answers after which the process is killed. */
const ENOUGH = 50;

/** Some at a time, the next one as soon as one is done. */
async function each(names: readonly string[], run: (name: string) => Promise<void>): Promise<void> {
  const left = [...names];
  const work = async (): Promise<void> => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) await run(name);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
}

for (const { name, skip, spawn } of arrangements)
  test(
    `an event that was answered is there once after kill -9, parked or stored, and known again; one that was not may come again (${name})`,
    { skip },
    async (t) => {
      await using folder = await temporaryFolder();
      const config = join(folder.path, 'ringback.json');
      await writeFile(config, JSON.stringify({ webhooks }));
      const references = Array.from({ length: EVENTS }, (_, index) => `order ${index}`);
      const tell = async ({ url }: Running, reference: string): Promise<number> =>
        (await deliver(url, event(reference), { id: `event of ${reference}` })).status;

      await using running = await spawn({ args: ['--config', config] });
      const open = new Map<string, string>();
      const openOne = async ({ backEnd }: Running, reference: string): Promise<void> =>
        void open.set(reference, (await backEnd.open({ reference })).id);
      await each(
        references.filter((_, index) => index % 2 === 0),
        (reference) => openOne(running, reference),
      );
      const answered = new Set<string>();
      let killed: Promise<void> | undefined;
      await each(references, async (reference) => {
        // Whoever is not answered, because the process is dead, is not counted.
        const status = await tell(running, reference).catch(() => 0);
        if (status === 200) answered.add(reference);
        if (answered.size === ENOUGH) killed ??= killAll(running);
      });
      await killed;
      assert.ok(answered.size >= ENOUGH && answered.size < EVENTS, `${answered.size} were answered before`);

      await startAll(running);
      const assertOnce = async (reference: string): Promise<void> => {
        if (!open.has(reference)) await openOne(running, reference);
        const { lastSequence } = await running.backEnd.messages(open.get(reference) ?? '');
        assert.equal(lastSequence, 1, `${reference}${answered.has(reference) ? ' was answered' : ''}`);
      };
      await each([...answered], assertOnce);
      await each(references, async (reference) => assert.equal(await tell(running, reference), 200));
      await each(references, assertOnce);
      t.diagnostic(`${answered.size} of ${EVENTS} were answered before`);
    },
  );
