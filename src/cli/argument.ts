/** Arguments of commands, read strictly; a wrong one is named, its value only where it cannot be a payload. */
import { readFileSync } from 'node:fs';
import { JsonTextError, parseJsonText } from '../json/json-text.ts';
import { shown } from '../server/configuration/configuration-error.ts';
import { systemCode, wrongUsage } from './failure.ts';

/** The server says where its limit is; this one only keeps the reader's stack. */
const DEEPEST_JSON = 1000;

/** @throws CommandFailure naming the option */
export function wholeNumber(option: string, text: string, least: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  throw wrongUsage(`${option}: expected a whole number from ${least}, got ${shown(text)}`);
}

/** Compact JSON, digit for digit as it was written. @throws CommandFailure naming the option */
export function jsonText(option: string, text: string): string {
  try {
    return parseJsonText(text, DEEPEST_JSON).compact;
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    throw wrongUsage(`${option}: expected JSON; ${error.message.replace('the body', 'it')}`);
  }
}

/** JSON, or `@<file>` with JSON in it, where `@-` is stdin. @throws CommandFailure naming the option or file */
export function jsonTextOrFile(option: string, text: string): string {
  if (!text.startsWith('@')) return jsonText(option, text);
  const file = text.slice(1);
  if (file === '') throw wrongUsage(`${option}: expected the name of a file after @`);
  return jsonText(`${option} ${text}`, readText(option, file));
}

function readText(option: string, file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw wrongUsage(`${option}: cannot read ${file} (${systemCode(error) ?? 'unknown error'})`);
  }
}
