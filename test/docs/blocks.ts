/** The fenced blocks of a page of documentation, each with its name, so that tests can run what readers copy. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Block {
  /** `README.md`, for example. */
  readonly page: string;
  /** `bash`, `ts`, `json`, `text`: the first word behind the fence. */
  readonly language: string;
  /** The rest of that line; an empty text where there is none. */
  readonly name: string;
  readonly code: string;
  /** Of the fence, counted from 1. */
  readonly line: number;
}

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export function readPage(page: string): string {
  return readFileSync(ROOT + page, 'utf8');
}

/** @throws Error for a fence that is never closed */
export function blocksOf(page: string, text = readPage(page)): Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at++) {
    const opening = /^\s*```(.*)$/.exec(lines[at] ?? '')?.[1];
    if (opening === undefined) continue;
    const end = lines.findIndex((line, index) => index > at && /^\s*```\s*$/.test(line));
    if (end === -1) throw new Error(`${page}:${at + 1}: the block is never closed`);
    const [language = '', ...words] = opening.trim().split(/\s+/);
    blocks.push({ page, language, name: words.join(' '), code: lines.slice(at + 1, end).join('\n'), line: at + 1 });
    at = end;
  }
  return blocks;
}
