/** `npm run bench`: reads what is asked for and runs it. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { machine } from './machine.ts';
import { readOptions } from './options.ts';
import { profile } from './profile.ts';
import { writeResults } from './report/files.ts';
import { markdownReport, type Results } from './report/markdown.ts';
import { terminalReport } from './report/terminal.ts';
import { runRounds } from './rounds.ts';
import { steady } from './steady/steady.ts';

const { plan, peers, out, ...instead } = readOptions(process.argv.slice(2));
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
  if (instead.scale !== undefined) return scale(instead.scale);
  if (instead.profile !== undefined) return profile(instead.profile, plan, { out, say });
  if (instead.steady !== undefined) return steady(instead.steady.peer, plan, { ...instead.steady, out, say });
  const run = await runRounds(peers, plan, say);
  process.stdout.write(`${terminalReport(run, plan)}\n`);
  return writeResults({ machine: machine(), plan, ...run }, out);
}

/** Some 0.5 KB of disk for each message while it runs. */
async function scale(transactions: number): Promise<string[]> {
  // Only here: it loads the sources of this checkout.
  const { measureScale } = await import('./scale.ts');
  await mkdir(out, { recursive: true });
  const report = await measureScale({ transactions, messages: 10 * transactions, dir: out, say });
  const path = join(out, 'scale.json');
  await writeFile(path, `${JSON.stringify({ machine: machine(), ...report }, undefined, 2)}\n`);
  return [path];
}
