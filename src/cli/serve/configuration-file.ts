/** Reads the configuration file. Its content may hold secrets, so no message repeats any of it. */
import { readFileSync } from 'node:fs';
import type { ConfigurationFile } from '../../server/configuration.ts';
import { systemCode, wrongUsage } from '../failure.ts';

/** @throws CommandFailure naming the file, and where in it the JSON is wrong */
export function readConfigurationFile(name: string): ConfigurationFile {
  const text = readText(name);
  try {
    return { name, content: JSON.parse(text) };
  } catch (error) {
    // V8 quotes the text in its message; only the place may be told.
    const place = error instanceof Error ? /line \d+ column \d+/.exec(error.message)?.[0] : undefined;
    throw wrongUsage(`${name}: not valid JSON${place === undefined ? '' : ` (${place})`}`);
  }
}

function readText(name: string): string {
  try {
    return readFileSync(name, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw wrongUsage(`cannot read the configuration file ${name} (${systemCode(error) ?? 'unknown error'})`);
  }
}
