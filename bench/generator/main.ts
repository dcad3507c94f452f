/** The load generator: a process of its own that does what the harness says, one command at a time. */
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks';
import type { Dialect } from '../dialects/dialect.ts';
import { dialects } from '../dialects/index.ts';
import { commandSchema, type Command, type ConnectResult, type CountResult, type LoadResult } from './commands.ts';
import { Churn } from './churn.ts';
import { Crowd } from './crowd.ts';
import { HttpConnection } from './http-connection.ts';
import { Ledger } from './ledger.ts';
import { ClosedLoad, OpenLoad, RUN_UP_MS, type Load } from './load.ts';

type Asked<Name extends Command['do']> = Extract<Command, { do: Name }>;

const COUNT_EVERY_MS = 50;

class Generator {
  readonly #ports: readonly number[];
  readonly #postPorts: readonly number[];
  readonly #isElsewhere: boolean;
  readonly #graceMs: number;
  readonly #dialect: Dialect;
  readonly #ledger = new Ledger();
  readonly #crowd: Crowd;
  #load: Load | undefined;
  #latency = microseconds();
  #lateness = microseconds();

  constructor({ dialect, ports, postPorts, isElsewhere, apiKey, graceMs }: Asked<'meet'>) {
    this.#ports = ports;
    this.#postPorts = postPorts;
    this.#isElsewhere = isElsewhere;
    this.#graceMs = graceMs;
    this.#dialect = dialects[dialect]({ apiKey });
    this.#crowd = new Crowd({
      ports,
      dialect: this.#dialect,
      ledger: this.#ledger,
      onArrival: (dueAt) => record(this.#latency, performance.now() - dueAt),
      onAnswered: (number) => this.#load?.onAnswered(number),
      onFailure: fail,
    });
  }

  async connect({ count, atOnce }: Asked<'connect'>): Promise<ConnectResult> {
    const begun = performance.now();
    const before = performance.eventLoopUtilization();
    await this.#crowd.connect(count, atOnce);
    return { ms: performance.now() - begun, waiting: 1 - performance.eventLoopUtilization(before).utilization };
  }

  async load({ posters, ms, rate, churn }: Asked<'load'>): Promise<LoadResult> {
    this.#latency = microseconds();
    this.#lateness = microseconds();
    const field = {
      crowd: this.#crowd,
      ledger: this.#ledger,
      ports: this.#postPorts,
      isElsewhere: this.#isElsewhere,
      dialect: this.#dialect,
      graceMs: this.#graceMs,
      onLate: (late: number) => record(this.#lateness, late),
    };
    const load = rate === undefined ? new ClosedLoad(field, { posters, ms }) : new OpenLoad(field, { posters, ms, rate });
    this.#load = load;
    const begun = performance.now();
    const before = performance.eventLoopUtilization();
    const during = pause(rate === undefined ? ms : ms + RUN_UP_MS).then(() => ({
      messages: this.#latency.count,
      ms: performance.now() - begun - (rate === undefined ? 0 : RUN_UP_MS),
      waiting: 1 - performance.eventLoopUtilization(before).utilization,
    }));
    const coming = churn === undefined ? undefined : new Churn(this.#crowd, churn, fail);
    await load.run();
    coming?.stop();
    this.#load = undefined;
    return {
      ...(await during),
      arrived: this.#latency.count,
      unsent: load.unsent,
      p50: this.#latency.percentile(50) / 1000,
      p99: this.#latency.percentile(99) / 1000,
      p999: this.#latency.percentile(99.9) / 1000,
      longest: this.#latency.max / 1000,
      lateP50: this.#lateness.count === 0 ? 0 : this.#lateness.percentile(50) / 1000,
      lateP99: this.#lateness.count === 0 ? 0 : this.#lateness.percentile(99) / 1000,
    };
  }

  /** The servers read the last answers a little after they were sent. */
  async count(): Promise<CountResult> {
    const https = [...new Set([...this.#ports, ...this.#postPorts])].map((port) => new HttpConnection(port, fail));
    const until = performance.now() + this.#graceMs;
    const { answered } = this.#crowd;
    let counted = await this.#dialect.countAcks(this.#crowd.ids, https);
    while (counted < answered && performance.now() < until) {
      await pause(COUNT_EVERY_MS);
      counted = await this.#dialect.countAcks(this.#crowd.ids, https);
    }
    for (const http of https) http.close();
    return { faults: this.#ledger.faults, answered, counted };
  }
}

/** HDR: three figures of everything up to a minute, in bounded memory. */
function microseconds(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
}

function record(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.min(60_000_000, Math.max(1, Math.round(ms * 1000))));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function fail(error: Error): void {
  answer({ failed: error.stack ?? error.message });
}

function answer(message: { done: unknown } | { failed: string }): void {
  process.send?.(message);
}

let generator: Generator | undefined;

async function obey(command: Command): Promise<unknown> {
  if (command.do === 'meet') {
    generator = new Generator(command);
    return undefined;
  }
  if (generator === undefined) throw new Error('expected to meet a server first');
  if (command.do === 'connect') return generator.connect(command);
  return command.do === 'load' ? generator.load(command) : generator.count();
}

process.on('message', (message) => {
  obey(commandSchema.parse(message)).then((done) => answer({ done: done ?? null }), fail);
});
process.on('uncaughtException', fail);
process.once('disconnect', () => process.exit());
