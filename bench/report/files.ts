/** The files that a run leaves. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Results } from './markdown.ts';
import { markdownReport } from './markdown.ts';
import { resultsChart } from './results-chart.ts';

/** Writes `<name>.json`, `<name>.svg` and `<name>.md`; returns their paths. */
export async function writeResults(results: Results, folder: string, name = 'results'): Promise<string[]> {
  const { plan } = results;
  return writeFiles(folder, {
    [`${name}.json`]: `${JSON.stringify(results, undefined, 2)}\n`,
    [`${name}.svg`]: resultsChart(results, plan.rates),
    [`${name}.md`]: markdownReport(results),
  });
}

/** @param files text by name */
export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const paths = Object.keys(files).map((name) => join(folder, name));
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
  return paths;
}
