import { systemClock } from '../../src/clock.ts';
import { ClientResults } from '../../src/signalr/hub/client-results.ts';
import { LocalLifetime } from '../../src/signalr/hub/local-lifetime.ts';
import { hubLifetimeContract } from './hub-lifetime.ts';

hubLifetimeContract('one node', async () => ({
  lifetime: new LocalLifetime(
    new ClientResults({ clock: systemClock, clientResultTimeoutMs: 10_000, maximumPendingResults: 100 }),
  ),
  settle: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
}));
