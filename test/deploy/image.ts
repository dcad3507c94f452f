/**
 * The Dockerfile as data, and as a recipe that is followed in a folder: each stage is a folder that stands for `/`. What the
 * base image brings is Node alone. Knows as much of the language as our file uses, and refuses the rest.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Instruction {
  /** Upper case. */
  readonly keyword: string;
  readonly rest: string;
}

export interface Stage {
  readonly name: string;
  /** Another stage, or an image. */
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

/** @throws AssertionError for what has no place in a Dockerfile of one or more named stages */
export function parseDockerfile(source: string): Stage[] {
  const lines = source
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  for (const line of lines) {
    const [, keyword = '', rest = ''] = /^([A-Z]+) (.+)$/.exec(line) ?? assert.fail(`not an instruction: ${line}`);
    if (keyword === 'FROM') {
      const [, base = '', name = ''] = /^(\S+) AS (\S+)$/.exec(rest) ?? assert.fail(`a stage without a name: ${line}`);
      stages.push({ name, base, instructions: [] });
    } else {
      const stage = stages.at(-1) ?? assert.fail(`before the first FROM: ${line}`);
      stage.instructions.push({ keyword, rest });
    }
  }
  return stages;
}

export const stages: readonly Stage[] = parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));

export interface Copy {
  /** A stage; absent: the context of the build. */
  readonly from?: string;
  readonly sources: readonly string[];
  readonly target: string;
}

export function copyOf({ rest }: Instruction): Copy {
  const words = rest.split(/\s+/);
  const from = /^--from=(\S+)$/.exec(words[0] ?? '')?.[1];
  const paths = from === undefined ? words : words.slice(1);
  const target = paths.at(-1);
  assert.ok(target !== undefined && paths.length >= 2 && !paths.some((path) => path.startsWith('-')), `COPY ${rest}`);
  return { sources: paths.slice(0, -1), target, ...(from !== undefined && { from }) };
}

/** `ENTRYPOINT`, `CMD` and the command of a `HEALTHCHECK` in the form that needs no shell. */
export function wordsOf(rest: string): string[] {
  const words: unknown = JSON.parse(rest);
  assert.ok(Array.isArray(words) && words.every((word) => typeof word === 'string'), rest);
  return words;
}

/** Of `A=b C=d`. */
export function variablesOf({ rest }: Instruction): Record<string, string> {
  return Object.fromEntries(
    rest.split(/\s+/).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}

/** The last of its kind, which is the one that counts. */
export function lastOf(stage: Stage, keyword: string): Instruction {
  return stage.instructions.findLast((one) => one.keyword === keyword) ?? assert.fail(`${stage.name} has no ${keyword}`);
}

/** What .dockerignore lets into the build: names of files and folders, each with an exclamation mark there. */
export function letIn(): string[] {
  const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
  const [everything, ...exceptions] = lines.filter((line) => line !== '' && !line.startsWith('#'));
  assert.equal(everything, '*', '.dockerignore has to begin with everything');
  return exceptions.map((line) => /^!([\w./-]+)$/.exec(line)?.[1] ?? assert.fail(`.dockerignore: ${line}`));
}

export interface FollowOptions {
  /** The folder in which the folders of the stages are made. */
  readonly folder: string;
  /** True: it did something else instead of this `RUN`. */
  replaces(stage: Stage, command: string, workFolder: string): boolean;
}

/** These change no file. */
const ABOUT_RUNNING = new Set(['USER', 'ENV', 'EXPOSE', 'VOLUME', 'STOPSIGNAL', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD']);

/** Follows every stage; resolves to the folder of the last. */
export async function follow({ folder, replaces }: FollowOptions): Promise<string> {
  for (const stage of stages) {
    const root = join(folder, stage.name);
    if (stages.some(({ name }) => name === stage.base)) stageOn(join(folder, stage.base), root);
    else baseImage(root);
    let workFolder = workFolderOf(stages.find(({ name }) => name === stage.base)) ?? '/';
    for (const instruction of stage.instructions) {
      const { keyword, rest } = instruction;
      if (keyword === 'WORKDIR') mkdirSync(join(root, (workFolder = rest)), { recursive: true });
      else if (keyword === 'COPY') copy(copyOf(instruction), { folder, root, workFolder });
      else if (keyword !== 'RUN') assert.ok(ABOUT_RUNNING.has(keyword), keyword);
      else if (!replaces(stage, rest, join(root, workFolder))) await run(rest, root, join(root, workFolder));
    }
  }
  const last = stages.at(-1);
  assert.ok(last);
  return join(folder, last.name);
}

function workFolderOf(stage: Stage | undefined): string | undefined {
  return stage?.instructions.findLast(({ keyword }) => keyword === 'WORKDIR')?.rest;
}

const NODE = join('usr', 'local', 'bin', 'node');

/** Node, where the image has it; npm is this machine's. */
function baseImage(root: string): void {
  mkdirSync(dirname(join(root, NODE)), { recursive: true });
  copyFileSync(process.execPath, join(root, NODE));
  chmodSync(join(root, NODE), 0o755);
}

/** Layers share files, and this one is large. */
function stageOn(base: string, root: string): void {
  cpSync(base, root, { recursive: true, verbatimSymlinks: true, filter: (path) => path !== join(base, NODE) });
  linkSync(join(base, NODE), join(root, NODE));
}

interface Place {
  readonly folder: string;
  readonly root: string;
  readonly workFolder: string;
}

/** A folder's content goes into the target, a file into a target that ends with a slash or is `.`. */
function copy({ from, sources, target }: Copy, { folder, root, workFolder }: Place): void {
  const to = target.startsWith('/') ? join(root, target) : join(root, workFolder, target);
  for (const source of sources) {
    const path = from === undefined ? join(ROOT, source) : join(folder, from, source);
    const isFolder = statSync(path).isDirectory();
    const destination = isFolder || !/(^|\/)\.?\/?$/.test(target) ? to : join(to, source.split('/').at(-1) ?? '');
    mkdirSync(isFolder ? destination : dirname(destination), { recursive: true });
    cpSync(path, destination, { recursive: true, dereference: false, verbatimSymlinks: true });
  }
}

/** By a shell, as a RUN is; absolute paths of the image become paths below its folder. */
async function run(command: string, root: string, cwd: string): Promise<void> {
  const mapped = command.replaceAll(/(?<=\s)\/(?=var\/|app\/|app$)/g, `${root}/`);
  const owned = process.getuid?.() === 0 ? mapped : mapped.replaceAll(/ -[og] \d+/g, '');
  const { NODE_TEST_CONTEXT: _nested, PATH = '', ...env } = process.env;
  const path = `${dirname(process.execPath)}:${PATH}`;
  const child = spawn('/bin/sh', ['-euc', owned], { cwd, env: { ...env, PATH: path, npm_config_prefer_offline: 'true' } });
  child.stdin.end();
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.equal(await ended, 0, `RUN ${command}: ${stdout}${stderr}`);
}

/**
 * Gives a stage the packages of this checkout, which `npm ci` with the same lockfile would install again. Each is a link of its
 * own: a link to the whole folder is one through which npm would empty it.
 */
export function usePackagesOfCheckout(workFolder: string): void {
  const from = join(ROOT, 'node_modules');
  const to = join(workFolder, 'node_modules');
  const visible = readdirSync(from).filter((name) => !name.startsWith('.'));
  const names = visible.flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(from, name)).map((inScope) => join(name, inScope)) : [name],
  );
  for (const name of names) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    symlinkSync(join(from, name), join(to, name));
  }
}
