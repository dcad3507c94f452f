/** What a batch answers when the store, or a part of it, cannot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { RingbackError } from '../../src/errors.ts';
import { silentLogger } from '../../src/logger.ts';
import { Addresses } from '../../src/server/addresses.ts';
import { Api } from '../../src/server/api.ts';
import { parseConfiguration } from '../../src/server/configuration.ts';
import { openCore } from '../../src/server/core.ts';
import { Metrics } from '../../src/server/metrics.ts';
import { resultsJson } from '../../src/server/wire.ts';
import { Mailbox } from '../../src/transactions/mailbox.ts';

/** By the type of a message: what the store says to it, instead of keeping it. */
const FAULTS: Readonly<Record<string, () => Error>> = {
  unavailable: () => new RingbackError('store_unavailable', { cause: new Error('disk full') }),
  broken: () => new RingbackError('internal_error', { cause: new Error('this row') }),
  bug: () => new TypeError('a fault of ours'),
};

interface Stage {
  /** Resolves with the outcome of each type, and rejects as `sendAll` does. */
  outcomes(types: readonly string[]): Promise<unknown[]>;
  lastSequence(): Promise<number>;
}

/** A whole server but for HTTP, whose store fails for some types; a message of type `large` is too large. */
async function withStage(run: (stage: Stage) => Promise<void>): Promise<void> {
  const configuration = parseConfiguration({ store: 'memory:', limits: { messageBytes: 10 } });
  const core = await openCore(configuration, { clock: systemClock, logger: silentLogger });
  try {
    const { store } = core;
    const mailbox = new Mailbox({
      ...core,
      clock: systemClock,
      store: {
        append: (message) => {
          const fault = FAULTS[message.type];
          return fault === undefined ? store.append(message) : Promise.reject(fault());
        },
        receive: (event) => store.receive(event),
        read: (id, options) => store.read(id, options),
        receipt: (id, messageId) => store.receipt(id, messageId),
      },
    });
    const api = new Api({
      ...core,
      ...configuration,
      mailbox,
      addresses: new Addresses(undefined, ''),
      metrics: new Metrics(() => 0),
      draining: new AbortController().signal,
    });
    const { id } = await api.open({});
    await run({
      outcomes: async (types) => {
        const inputs = types.map((type) => ({ transaction: id, type, data: type === 'large' ? '"far too large"' : '1' }));
        const { results }: { results: Record<string, unknown>[] } = JSON.parse(resultsJson(await api.sendAll(inputs)));
        return results.map(({ sequence, error }) => sequence ?? error);
      },
      lastSequence: async () => (await mailbox.read(id, { after: 0, limit: 1 })).lastSequence,
    });
  } finally {
    await core.close();
  }
}

const UNAVAILABLE = {
  code: 'store_unavailable',
  status: 503,
  title: 'The store cannot answer now; nothing was acknowledged.',
};
const BROKEN = { code: 'internal_error', status: 500, title: 'An unexpected error occurred.' };
const TOO_LARGE = {
  code: 'data_too_large',
  status: 413,
  title: 'The data of the message is too large.',
  detail: 'it has 15 bytes as compact JSON, at most 10 are taken',
};

test('when the store can answer for none, the whole is unavailable, also beside what was never put to it', () =>
  withStage(async ({ outcomes, lastSequence }) => {
    for (const types of [['unavailable'], ['unavailable', 'unavailable'], ['large', 'unavailable', 'large']])
      await assert.rejects(outcomes(types), { code: 'store_unavailable', retryAfter: 1 });
    assert.equal(await lastSequence(), 0);
  }));

test('when the store is unavailable for some only, they say so in their results, and the others are kept', () =>
  withStage(async ({ outcomes, lastSequence }) => {
    assert.deepEqual(await outcomes(['a', 'unavailable', 'b', 'large']), [1, UNAVAILABLE, 2, TOO_LARGE]);
    assert.equal(await lastSequence(), 2);
  }));

test('a message that the store fails at says so in its result, and its neighbours are kept', () =>
  withStage(async ({ outcomes, lastSequence }) => {
    assert.deepEqual(await outcomes(['broken', 'a', 'unavailable']), [BROKEN, 1, UNAVAILABLE]);
    assert.deepEqual(await outcomes(['broken']), [BROKEN]);
    assert.deepEqual(await outcomes(['large']), [TOO_LARGE]);
    assert.equal(await lastSequence(), 1);
  }));

test('what is no error of ours is nobody’s result', () =>
  withStage(async ({ outcomes }) => {
    await assert.rejects(outcomes(['a', 'bug']), TypeError);
  }));
