/**
 * The API key of a demo that is not on this machine only: asked for when the server refuses without it, kept for this tab.
 */
import { readStored, writeStored } from './stored.ts';

const STORED = 'ringback.demo.api-key';
const listeners = new Set<() => void>();
let isWanted = false;

export const apiKey = {
  get(): string | null {
    return readStored<string>(STORED) ?? null;
  },
  /** The server wants one, or another one than this. */
  refuse(used: string | null): void {
    if (used !== apiKey.get()) return;
    writeStored(STORED, undefined);
    change(true);
  },
  set(key: string): void {
    writeStored(STORED, key);
    change(false);
  },
  isWanted(): boolean {
    return isWanted;
  },
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

function change(wanted: boolean): void {
  isWanted = wanted;
  for (const listener of listeners) listener();
}
