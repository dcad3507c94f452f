/** The port between the harness and a peer: how its server is started, and what it speaks. */
import { fileURLToPath } from 'node:url';
import type { DialectName } from '../dialects/index.ts';
import type { Program } from '../server-process.ts';

export interface Peer {
  /** Short, for tables and files. */
  readonly name: string;
  /** What it is, with its version. */
  readonly title: string;
  readonly dialect: DialectName;
  /**
   * Whatever has to be done once. Called once, before `program`.
   * @throws PeerMissing when this machine cannot run it
   */
  prepare?(): Promise<void>;
  /** A fresh server. */
  program(): Promise<Program>;
}

/** Says why a peer cannot be measured here. */
export class PeerMissing extends Error {}

/** Node's flags for every server that has no launcher of its own. */
export const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];

/** One of the minimal servers beside this folder. */
export function minimalServer(file: string): Program {
  return {
    command: process.execPath,
    args: [...NODE_FLAGS, fileURLToPath(new URL(`../servers/${file}`, import.meta.url))],
  };
}
