/** The port between the harness and a peer: how its servers are started, and what they speak. */
import { fileURLToPath } from 'node:url';
import type { DialectName } from '../dialects/index.ts';
import type { Program } from '../server-process.ts';

export interface Peer {
  /** Short, for tables and files. */
  readonly name: string;
  /** What it is, with its version. */
  readonly title: string;
  readonly dialect: DialectName;
  /** How many of its servers stand side by side; pages and posters are spread evenly among them. Default: 1. */
  readonly servers?: number;
  /**
   * At which of several servers a message is posted: any, or only another one than its page is connected to; apart: only the
   * first, and all pages are at the others. Default: any.
   */
  readonly posts?: 'anywhere' | 'elsewhere' | 'apart';
  /**
   * Whatever has to be done once. Called once, before `program`.
   * @throws PeerMissing when this machine cannot run it
   */
  prepare?(): Promise<void>;
  /** What its servers share, afresh; absent: nothing. @param isProfiled whether it is to note what its time goes into */
  shared?(isProfiled?: boolean): Promise<Shared>;
  /** A fresh server. */
  program(shared?: Shared): Promise<Program>;
}

/** A program of somebody else's that servers need: a database, a broker. */
export interface Shared extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  counts(): Promise<Counts>;
  /** The statements that its time went into since the last call of this, those with the most first; where it notes that. */
  statements?(): Promise<readonly StatementNote[]>;
}

export interface StatementNote {
  /** Its beginning. One that a function runs is indented: its time is part of the function's. */
  readonly text: string;
  readonly calls: number;
  /** From begin to end without the commit, in microseconds. */
  readonly us: number;
  readonly rows: number;
  /** Of the write-ahead log. */
  readonly logBytes: number;
}

/** What something shared has done since its start, as it counts itself; what it does not count is absent. */
export interface Counts {
  /** Transactions of PostgreSQL that wrote something. */
  readonly commits?: number;
  /** Bytes of PostgreSQL's write-ahead log. */
  readonly logBytes?: number;
  /** Commands of Redis. */
  readonly commands?: number;
}

/** Says why a peer cannot be measured here. */
export class PeerMissing extends Error {}

/** Node's flags for every server that has no launcher of its own. */
export const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];

/** One of the minimal servers beside this folder. */
export function minimalServer(file: string, ...args: readonly string[]): Program {
  return {
    command: process.execPath,
    args: [...NODE_FLAGS, fileURLToPath(new URL(`../servers/${file}`, import.meta.url)), ...args],
  };
}
