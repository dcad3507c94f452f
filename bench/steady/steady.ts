/**
 * `--steady`: Ringback at half its full load for a long time, with pages coming and going; what becomes of its memory and its
 * event loop.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Deployment } from '../deployment.ts';
import { GeneratorProcess } from '../generator-process.ts';
import { machine } from '../machine.ts';
import type { Peer } from '../peers/peer.ts';
import { lineChart } from '../report/chart.ts';
import { writeFiles } from '../report/files.ts';
import { measure, warmUp, type LoadFigures, type Plan } from '../visit.ts';
import type { CountResult } from '../generator/commands.ts';
import { judge } from './judge.ts';
import { FOLDER_VARIABLE, sampleSchema, type Sample } from './sample.ts';

const SHARE_OF_MAX = 0.5;
const TELL_EVERY_MS = 10_000;
const MINUTE_MS = 60_000;
const MB = 2 ** 20;

export interface SteadyOptions {
  readonly minutes: number;
  /** Pages that come, and pages that go, a second. */
  readonly churn: number;
  readonly out: string;
  readonly say: (line: string) => void;
}

/** @returns paths of what it left: `steady.json` and `steady.svg` */
export async function steady(peer: Peer, plan: Plan, options: SteadyOptions): Promise<string[]> {
  await peer.prepare?.();
  const folder = await mkdtemp(join(tmpdir(), 'ringback-steady-'));
  try {
    const { max, load, count, samples } = await run(peer, plan, { ...options, folder });
    const verdict = judge(samples);
    const { minutes, churn, out, say } = options;
    const result = { machine: machine(), peer: peer.title, minutes, churn, max: max.rate, load, count, verdict, samples };
    say(
      JSON.stringify(
        { max: max.rate, load, count, verdict: { ...verdict, unexplained: verdict.unexplained.length } },
        undefined,
        2,
      ),
    );
    return await writeFiles(out, { 'steady.json': `${JSON.stringify(result)}\n`, 'steady.svg': chartOf(samples) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Measured {
  readonly max: LoadFigures;
  readonly load: LoadFigures;
  readonly count: CountResult;
  readonly samples: readonly Sample[];
}

async function run(
  peer: Peer,
  plan: Plan,
  { minutes, churn, say, folder }: SteadyOptions & { folder: string },
): Promise<Measured> {
  const { NODE_OPTIONS: before = '' } = process.env;
  const preload = `--import=${new URL('watch.ts', import.meta.url).href}`;
  const env = { NODE_OPTIONS: `${before} --disable-warning=ExperimentalWarning ${preload}`.trim(), [FOLDER_VARIABLE]: folder };
  await using servers = await Deployment.start(peer, { env });
  await using generator = await GeneratorProcess.start(servers, { dialect: peer.dialect, graceMs: plan.graceMs });
  const [connections = 1000] = plan.connections;
  say(`connecting ${connections}`);
  await generator.connect(connections, plan.connectsAtOnce);
  await warmUp(generator, plan);
  const max = await measure({ servers, generator }, { posters: plan.posters, ms: plan.measureMs });
  const rate = Math.max(1, Math.round(max.rate * SHARE_OF_MAX));
  say(`full load is ${Math.round(max.rate)}/s; now ${rate}/s for ${minutes} min, ${churn} pages a second come and go`);
  const begun = Date.now();
  const telling = setInterval(() => void tell(folder, begun, say), TELL_EVERY_MS);
  const steadyLoad = { posters: plan.posters, ms: minutes * MINUTE_MS, rate, churn };
  const load = await measure({ servers, generator }, steadyLoad).finally(() => clearInterval(telling));
  const samples = (await samplesIn(folder)).filter(({ at }) => at > begun && at < begun + steadyLoad.ms);
  return { max, load, count: await generator.count(), samples };
}

async function tell(folder: string, begun: number, say: (line: string) => void): Promise<void> {
  const last = (await samplesIn(folder)).at(-1);
  if (last === undefined) return;
  const { at, rssBytes, heapUsedBytes, longestPauseMs } = last;
  const memory = `RSS ${Math.round(rssBytes / MB)} MB, heap ${Math.round(heapUsedBytes / MB)} MB`;
  say(
    `${((at - begun) / MINUTE_MS).toFixed(1)} min: ${memory}, longest pause of the last second ${longestPauseMs.toFixed(1)} ms`,
  );
}

/** Of the process that does the work: with a launcher there are two, and the launcher is the small one. */
async function samplesIn(folder: string): Promise<Sample[]> {
  const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
  const lists = files.map((text) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => sampleSchema.parse(JSON.parse(line))),
  );
  return lists.toSorted((a, b) => (b.at(-1)?.rssBytes ?? 0) - (a.at(-1)?.rssBytes ?? 0))[0] ?? [];
}

function chartOf(samples: readonly Sample[]): string {
  const begun = samples[0]?.at ?? 0;
  const line = (name: string, read: (sample: Sample) => number): { name: string; points: [number, number][] } => ({
    name,
    points: samples.map((sample) => [(sample.at - begun) / MINUTE_MS, read(sample)]),
  });
  const longestCollection = ({ collections }: Sample): number => Math.max(0, ...collections.map(({ ms }) => ms));
  return lineChart([
    {
      title: 'Memory of the server',
      unit: 'MB',
      series: [line('RSS', ({ rssBytes }) => rssBytes / MB), line('heap used', ({ heapUsedBytes }) => heapUsedBytes / MB)],
    },
    {
      title: 'Longest in each second',
      unit: 'ms',
      series: [line('pause of the event loop', ({ longestPauseMs }) => longestPauseMs), line('collection', longestCollection)],
    },
  ]);
}
