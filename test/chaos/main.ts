/**
 * `npm run chaos`: the long form of the chaos test. Prints its seed, what goes wrong, and in the end what it found; ends with 1
 * when that is anything.
 */
import { randomInt } from 'node:crypto';
import { mock } from 'node:test';
import { Command, InvalidArgumentError } from 'commander';
import { faultsIn } from './checker.ts';
import { run } from './run.ts';

const MINUTE_MS = 60_000;

const whole = (text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
};

const command = new Command('chaos')
  .description('Kills, cuts, stalls and delays whatever there is, and looks whether anything is lost.')
  .option('--seed <number>', 'the same seed makes the same plan', whole)
  .option('--minutes <number>', 'how long', Number, 5)
  .option('--instances <number>', 'how many', whole, 2)
  .option('--visits <number>', 'at a time', whole, 12)
  .option('--every-ms <number>', 'between one fault and the next', whole, 1_500)
  .option('--logs <folder>', 'where the instances write their logs')
  .parse();

const options = command.opts<{
  readonly seed?: number;
  readonly minutes: number;
  readonly instances: number;
  readonly visits: number;
  readonly everyMs: number;
  readonly logs?: string;
}>();
const { seed = randomInt(2 ** 31), minutes, instances, visits, everyMs, logs } = options;

const begunAt = performance.now();
/** How much of what came too late was told, by visit. */
const said = new Map<string, number>();

function say(text: string): void {
  process.stdout.write(`${((performance.now() - begunAt) / 1_000).toFixed(1).padStart(7)} s  ${text}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
// The client tells developers what their pages go through.
mock.method(console, 'warn', () => undefined);
say(`--seed ${seed} --minutes ${minutes} --instances ${instances} --visits ${visits} --every-ms ${everyMs}`);
const { history, sums, befell } = await run({
  seed,
  instances,
  visits,
  everyMs,
  ms: minutes * MINUTE_MS,
  mostSends: 40,
  longestPauseMs: 1_000,
  patienceMs: MINUTE_MS,
  looksForLeftovers: true,
  logFolder: logs,
  onFault: ({ kind, instance, forMs }, befalls) =>
    say(`${befalls ? '' : 'no time for '}${kind} ${instance}${forMs > 0 ? ` for ${forMs} ms` : ''}`),
  onProgress: ({ visits: all }) => {
    for (const visit of all) {
      if (visit.late.length === (said.get(visit.name) ?? 0)) continue;
      said.set(visit.name, visit.late.length);
      say(`LATE ${visit.name} ${visit.transactionId}: ${visit.late.at(-1)}`);
    }
  },
});
say(`befell: ${[...befell].map(([kind, count]) => `${count} ${kind}`).join(', ')}`);
for (const [name, count] of Object.entries(sums)) say(`${name}: ${count}`);
const faults = faultsIn(history);
for (const fault of faults) say(`FAULT ${fault}`);
say(faults.length === 0 ? 'nothing was lost, doubled or misplaced' : `${faults.length} faults, --seed ${seed}`);
process.exitCode = faults.length === 0 ? 0 : 1;
