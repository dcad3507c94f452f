/** The generator of calls: a process of its own, one command at a time. */
import { createHistogram, performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { Caller } from './caller.ts';
import { type Command, commandSchema, type Load, type LoadResult } from './commands.ts';
import { speeches } from './speech.ts';

/** One text under way. */
interface UnderWay {
  readonly caller: Caller;
  readonly calledAt: number;
  /** Arrivals that it still waits for. */
  left: number;
  /** Where it should arrive; undefined: everywhere. */
  readonly at: number | undefined;
}

const callers: Caller[] = [];
/** By the text's number. */
const underWay = new Map<number, UnderWay>();
let lastNumber = 0;
let astray = 0;
let onDone: (done: UnderWay) => void = () => undefined;

async function connect({ port, speech, connections, atOnce }: Extract<Command, { do: 'connect' }>): Promise<void> {
  const lane = async (): Promise<void> => {
    while (callers.length < connections) {
      const index = callers.length;
      await new Promise<void>((onReady) => {
        callers.push(new Caller({ index, port, speech: speeches[speech], onReady, onNumber: arrive, onGone: fail }));
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

function arrive(number: number, { index }: Caller): void {
  const text = underWay.get(number);
  if (text === undefined || (text.at !== undefined && text.at !== index)) {
    astray++;
    return;
  }
  text.left--;
  if (text.left > 0) return;
  underWay.delete(number);
  onDone(text);
}

function call(caller: Caller, method: Load['method']): void {
  const number = ++lastNumber;
  const at = { Echo: caller.index, Tell: Math.floor(Math.random() * callers.length), Broadcast: undefined }[method];
  underWay.set(number, { caller, calledAt: performance.now(), left: at === undefined ? callers.length : 1, at });
  caller.call(method, number, method === 'Tell' ? at : undefined);
}

async function load({ method, callers: count, ms, graceMs }: Load): Promise<LoadResult> {
  const latency = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
  let isOver = false;
  astray = 0;
  onDone = ({ caller, calledAt }) => {
    if (isOver) return;
    latency.record(Math.max(1, Math.round((performance.now() - calledAt) * 1000)));
    call(caller, method);
  };
  const begun = performance.now();
  const before = performance.eventLoopUtilization();
  for (const caller of callers.slice(0, count)) call(caller, method);
  await pause(ms);
  isOver = true;
  const waiting = 1 - performance.eventLoopUtilization(before).utilization;
  const took = performance.now() - begun;
  for (const until = performance.now() + graceMs; underWay.size > 0 && performance.now() < until;) await pause(5);
  const lost = underWay.size;
  underWay.clear();
  const percentile = (share: number): number => (latency.count === 0 ? 0 : latency.percentile(share) / 1000);
  const [p50, p99, p999] = [percentile(50), percentile(99), percentile(99.9)];
  const arrivals = latency.count * (method === 'Broadcast' ? callers.length : 1);
  return { calls: latency.count, arrivals, ms: took, p50, p99, p999, waiting, lost, astray };
}

function fail(error: Error): void {
  process.send?.({ failed: error.stack ?? error.message });
}

process.on('message', (message) => {
  const command = commandSchema.parse(message);
  const done: Promise<unknown> = command.do === 'connect' ? connect(command) : load(command);
  done.then((result) => process.send?.({ done: result ?? null }), fail);
});
process.on('uncaughtException', fail);
process.once('disconnect', () => process.exit());
