/** `npm run bench`: reads what is asked for and runs it. */
import { mkdir, readFile } from 'node:fs/promises';
import { measureBatches } from './batch.ts';
import { machine } from './machine.ts';
import { measureNodes } from './nodes.ts';
import { readOptions } from './options.ts';
import type { Peer } from './peers/peer.ts';
import { profile } from './profile.ts';
import { writeFiles, writeResults } from './report/files.ts';
import { machineLine, markdownReport, markdownTable, type Results } from './report/markdown.ts';
import { callReport } from './report/calls-table.ts';
import { nodesTable } from './report/nodes-table.ts';
import { terminalReport } from './report/terminal.ts';
import { runRounds } from './rounds.ts';
import { measureCalls } from './signalr/measure.ts';
import { steady } from './steady/steady.ts';

const IDLE_MS = 15_000;

const { plan, peers, out, name, ...instead } = readOptions(process.argv.slice(2));
const say = (line: string): void => void process.stderr.write(`${line}\n`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  const paths = await work();
  if (paths.length > 0) say(`written: ${paths.join(', ')}`);
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}

async function work(): Promise<string[]> {
  if (instead.markdown !== undefined) {
    const results: Results = JSON.parse(await readFile(instead.markdown, 'utf8'));
    process.stdout.write(markdownReport(results));
    return [];
  }
  if (instead.micro === true) {
    // Only here: it loads the sources of this checkout.
    const { micro } = await import('./micro.ts');
    await micro();
    return [];
  }
  if (instead.batch !== undefined) return batch(instead.batch);
  if (instead.scale !== undefined) return scale(instead.scale);
  if (instead.nodes !== undefined) return nodes(instead.nodes);
  if (instead.signalr !== undefined) return signalr(instead.signalr);
  if (instead.profile !== undefined) return profile(instead.profile, plan, { out, say });
  if (instead.steady !== undefined) return steady(instead.steady.peer, plan, { ...instead.steady, out, say });
  const run = await runRounds(peers, plan, say);
  process.stdout.write(`${terminalReport(run, plan)}\n`);
  return writeResults({ machine: machine(), plan, ...run }, out, name);
}

async function batch(peer: Peer): Promise<string[]> {
  const rounds = await measureBatches(peer, plan.rounds);
  for (const round of rounds) {
    const { rate, cpuPerMessage, p50Ms, longestMs } = round;
    say(
      `${Math.round(rate)} messages/s, ${cpuPerMessage.toFixed(1)} µs CPU a message, p50 ${p50Ms.toFixed(0)} ms and at most ${longestMs.toFixed(0)} ms a batch`,
    );
  }
  return writeFiles(out, { 'batch.json': `${JSON.stringify({ machine: machine(), rounds }, undefined, 2)}\n` });
}

/** Some 0.5 KB of disk for each message while it runs. */
async function scale(transactions: number): Promise<string[]> {
  // Only here: it loads the sources of this checkout.
  const { measureScale } = await import('./scale.ts');
  await mkdir(out, { recursive: true });
  const report = await measureScale({ transactions, messages: 10 * transactions, dir: out, say });
  return writeFiles(out, { 'scale.json': `${JSON.stringify({ machine: machine(), ...report }, undefined, 2)}\n` });
}

async function nodes({ pages, peers: measured }: NonNullable<typeof instead.nodes>): Promise<string[]> {
  const reports = await measureNodes(measured, { pages, idleMs: IDLE_MS, plan, say });
  const of = `- ${pages} pages; each load measured for ${plan.measureMs / 1000} s, after ${plan.warmUpMs / 1000} s of full load`;
  const table = `${machineLine(machine())}\n${of}\n\n${markdownTable(nodesTable(reports))}\n`;
  process.stdout.write(table);
  const result = `${JSON.stringify({ machine: machine(), reports }, undefined, 2)}\n`;
  return writeFiles(out, { 'nodes.json': result, 'nodes.md': table });
}

async function signalr({ peers: hubs, scenarios }: NonNullable<typeof instead.signalr>): Promise<string[]> {
  const run = await measureCalls({ peers: hubs, scenarios, say }, plan);
  const table = callReport(run, plan, machine());
  process.stdout.write(table);
  const result = `${JSON.stringify({ machine: machine(), plan, ...run }, undefined, 2)}\n`;
  return writeFiles(out, { 'signalr.json': result, 'signalr.md': table });
}
