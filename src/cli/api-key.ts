/**
 * Where API keys come from: the variable RINGBACK_API_KEY, else a file beside the database, made at the first start.
 *
 * Messages name variables and files, never a key.
 */
import { constants, rmSync } from 'node:fs';
import { chmod, copyFile, link, mkdtemp, open, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeFolder } from '../folder.ts';
import type { Logger } from '../logger.ts';
import type { StoreLocation } from '../server/configuration.ts';
import { API_KEY_FORM, isApiKey, newApiKey } from '../server/api-keys.ts';
import { CommandFailure, systemCode, wrongUsage } from './failure.ts';

const VARIABLE = 'RINGBACK_API_KEY';
/** A shorter one can be guessed: it is taken, with a warning. */
const SHORTEST_GOOD_KEY = 16;
/** Only the owner reads and writes. */
const KEY_FILE_MODE = 0o600;
const OTHERS = 0o077;

export interface ServerApiKeys {
  readonly keys: readonly string[];
  /** Where the key was found or put, when it is not from the variable. */
  readonly file?: string;
  /** Takes a file that was made here away again: a server that did not start leaves nothing beside a file that is not its. */
  undo(): Promise<void>;
}

/** The keys that a server accepts; makes one where there is none. A file made for `memory:` goes with this process. */
export async function serverApiKeys(store: StoreLocation, logger: Logger): Promise<ServerApiKeys> {
  const given = keysFromVariable();
  if (given !== undefined) {
    if (given.some((key) => key.length < SHORTEST_GOOD_KEY)) {
      logger.warn(
        { event: 'api_key.short' },
        `a key in ${VARIABLE} has fewer than ${SHORTEST_GOOD_KEY} characters; use a random one`,
      );
    }
    return { keys: given, undo: async () => undefined };
  }
  if (store.kind === 'postgres')
    throw wrongUsage(`${VARIABLE} is not set; with postgres:// it is required, the same for all instances`);
  const file = store.kind === 'sqlite' ? keyFile(store.file) : await temporaryKeyFile();
  const isMade = await makeKeyFile(file);
  const key = await readKey(file);
  await warnIfOthersMayRead(file, logger);
  return { keys: [key], file, undo: async () => (isMade ? rm(file, { force: true }) : undefined) };
}

/** The key with which a command calls a server that uses this store. */
export async function clientApiKey(store: StoreLocation): Promise<string> {
  const [given] = keysFromVariable() ?? [];
  if (given !== undefined) return given;
  if (store.kind === 'sqlite') return readKey(keyFile(store.file));
  if (store.kind === 'postgres') throw wrongUsage(`${VARIABLE} is not set; with postgres:// it is required`);
  throw wrongUsage(`${VARIABLE} is not set; with memory: the server says at its start in which file the key is`);
}

function keysFromVariable(): readonly string[] | undefined {
  const entries = (process.env[VARIABLE] ?? '').split(',').map((key) => key.trim());
  // An empty variable counts as absent, and so does an empty entry.
  const keys = entries.filter((key) => key !== '');
  if (keys.length === 0) return undefined;
  const wrong = keys.findIndex((key) => !isApiKey(key));
  if (wrong === -1) return [...new Set(keys)];
  const which = keys.length === 1 ? VARIABLE : `key ${wrong + 1} of ${VARIABLE}`;
  throw wrongUsage(`${which}: expected ${API_KEY_FORM}`);
}

function keyFile(databaseFile: string): string {
  return `${databaseFile}.api-key`;
}

async function temporaryKeyFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ringback-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'api-key');
}

/**
 * Whole or not at all, and never over one that is there: two first starts at once agree on one key.
 *
 * @returns false when there was one
 */
async function makeKeyFile(file: string): Promise<boolean> {
  if (await exists(file)) return false;
  const draft = `${file}.${process.pid}.new`;
  try {
    makeFolder(dirname(file));
    await writeDraft(draft);
    return await publish(draft, file);
  } catch (error) {
    throw new CommandFailure(`cannot make the API key file ${file} (${systemCode(error)}); ${VARIABLE} can be set instead`);
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

/** False: there is nothing, or nothing to be seen; making the file then tells which. */
async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** @returns false when somebody else was faster */
async function publish(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file).catch(async (error: unknown) => {
      if (systemCode(error) === 'EEXIST') throw error;
      // Some file systems have no links.
      await copyFile(draft, file, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function writeDraft(draft: string): Promise<void> {
  await rm(draft, { force: true });
  await using handle = await open(draft, 'wx', KEY_FILE_MODE);
  await handle.writeFile(`${newApiKey()}\n`);
  await handle.sync();
  await chmod(draft, KEY_FILE_MODE);
}

async function readKey(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const code = systemCode(error);
    if (code === 'ENOENT')
      throw wrongUsage(`no API key: ${VARIABLE} is not set, and there is no file ${file} (--store names the database)`);
    throw new CommandFailure(`cannot read the API key file ${file} (${code})`);
  });
  const key = text.trim();
  if (isApiKey(key)) return key;
  const fault = key === '' ? 'is empty' : `does not hold one key of ${API_KEY_FORM}`;
  throw new CommandFailure(`the API key file ${file} ${fault}; delete it and the server makes a new one at its next start`);
}

async function warnIfOthersMayRead(file: string, logger: Logger): Promise<void> {
  const { mode } = await stat(file);
  if (process.platform === 'win32' || (mode & OTHERS) === 0) return;
  const found = (mode & 0o777).toString(8).padStart(4, '0');
  logger.warn({ event: 'api_key.file_mode', file, mode: found }, 'others may read the API key file; expected mode 0600');
}
