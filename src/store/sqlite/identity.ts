/** Whether a file is a store of ours. Only reads, and for a database of somebody else only the file's header. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { integer } from './columns.ts';
import { codeOf, NOT_A_DATABASE } from './faults.ts';
import { APPLICATION_ID, SCHEMA_VERSION } from './schema.ts';

const NO_DATABASE = 'it is not a SQLite database';

/** @see https://sqlite.org/fileformat2.html "The Database Header", "B-tree Pages" */
const MAGIC = Buffer.from('SQLite format 3\0');
const VERSION_AT = 60;
const APPLICATION_AT = 68;
const TABLE_COUNT_AT = 103;
const HEADER_BYTES = 108;

interface Identity {
  readonly application: number;
  readonly version: number;
  readonly isBare: boolean;
}

/** Undefined: it is ours, or has nothing in it yet. The caller must hold the lock of the file. */
export function whyNotOurs(path: string): string | undefined {
  // An empty file is what a process leaves that died as it began. SQLite takes a very short one for empty too: not we.
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return undefined;
  const header = headerOf(path);
  const stated = header === undefined ? NO_DATABASE : judge(header);
  if (stated !== undefined || !existsSync(`${path}-wal`)) return stated;
  try {
    // A process that died left a log, with perhaps a later word than the header's.
    using database = new DatabaseSync(path, { readOnly: true });
    return judge(identityIn(database));
  } catch (error) {
    if (codeOf(error) === NOT_A_DATABASE) return NO_DATABASE;
    throw error;
  }
}

function judge({ application, version, isBare }: Identity): string | undefined {
  if (isBare && application === 0 && version === 0) return undefined;
  if (application !== APPLICATION_ID) return 'it is a SQLite database of another application';
  if (version <= SCHEMA_VERSION) return undefined;
  return `its schema version is ${version}, and this program knows versions up to ${SCHEMA_VERSION}`;
}

function headerOf(path: string): Identity | undefined {
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    readSync(file, header);
  } finally {
    closeSync(file);
  }
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  return {
    application: header.readInt32BE(APPLICATION_AT),
    version: header.readInt32BE(VERSION_AT),
    isBare: header.readUInt16BE(TABLE_COUNT_AT) === 0,
  };
}

function identityIn(database: DatabaseSync): Identity {
  const value = (sql: string): number => integer(database.prepare(sql).get() ?? {}, 'value');
  return {
    application: value('SELECT application_id AS value FROM pragma_application_id'),
    version: value('SELECT user_version AS value FROM pragma_user_version'),
    isBare: value('SELECT count(*) AS value FROM sqlite_schema') === 0,
  };
}
