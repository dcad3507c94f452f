/** `--profile`: a peer on Node under full load, and where the time of each of its threads went. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Deployment } from './deployment.ts';
import { GeneratorProcess } from './generator-process.ts';
import type { Peer } from './peers/peer.ts';
import { heaviest, readProfile } from './report/cpu-profile.ts';
import { writeFiles } from './report/files.ts';
import { flameGraph } from './report/flame-graph.ts';
import { statementLines } from './report/statement-lines.ts';
import { measure, warmUp, type Plan } from './visit.ts';

const INTERVAL_US = 500;
const SHOWN = 30;
/** A thread that did less is of no interest. */
const LEAST_US = 100_000;

/** @returns paths of what it left in `out`: a .cpuprofile and an HTML page for each thread */
export async function profile(
  peer: Peer,
  plan: Plan,
  { out, say }: { out: string; say: (line: string) => void },
): Promise<string[]> {
  await peer.prepare?.();
  const folder = await mkdtemp(join(tmpdir(), 'ringback-profile-'));
  try {
    const window = await load(peer, plan, { folder, say });
    const files: Record<string, string> = {};
    for (const name of await readdir(folder)) {
      const text = await readFile(join(folder, name), 'utf8');
      const root = readProfile(text, window);
      if (root.value < LEAST_US) continue;
      // CPU.<date>.<time>.<process>.<thread>.<number>.cpuprofile
      const [, , , pid = '', number = name] = name.split('.');
      const server = (peer.servers ?? 1) > 1 ? `-${pid}` : '';
      const thread = `${peer.name.replaceAll(/\W+/g, '-')}${server}-thread-${number}`;
      files[`${thread}.cpuprofile`] = text;
      files[`${thread}.html`] = await flameGraph(`${thread} under full load`, root);
      const lines = heaviest(root, SHOWN).map((line) => `${(line.share * 100).toFixed(1).padStart(5)} %  ${line.name}`);
      say(`${thread}: ${Math.round(root.value / 1000)} ms\n${lines.join('\n')}`);
    }
    return await writeFiles(out, files);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Returns when the load ran: the profile is of the whole life of the process. */
async function load(
  peer: Peer,
  plan: Plan,
  { folder, say }: { folder: string; say: (line: string) => void },
): Promise<{ fromUs: number; toUs: number }> {
  const { NODE_OPTIONS: before = '' } = process.env;
  const options = `${before} --cpu-prof --cpu-prof-dir=${folder} --cpu-prof-interval=${INTERVAL_US}`;
  await using servers = await Deployment.start(peer, { env: { NODE_OPTIONS: options.trim() }, isProfiled: true });
  const window = await (async () => {
    await using generator = await GeneratorProcess.start(servers, { dialect: peer.dialect, graceMs: plan.graceMs });
    const [connections = 1000] = plan.connections;
    say(`${peer.name}: connecting ${connections}`);
    await generator.connect(connections, plan.connectsAtOnce);
    await warmUp(generator, plan);
    await servers.shared?.statements?.();
    const fromUs = nowUs();
    const figures = await measure({ servers, generator }, { posters: plan.posters, ms: plan.measureMs });
    say(`${Math.round(figures.rate)}/s, ${figures.cpuPerMessage.toFixed(1)} µs CPU a message, while profiled`);
    const toUs = nowUs();
    const notes = await servers.shared?.statements?.();
    if (notes !== undefined) say(statementLines(notes, figures.arrived).join('\n'));
    return { fromUs, toUs };
  })();
  await servers.stop(); // the profiles are written at an orderly end
  return window;
}

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
