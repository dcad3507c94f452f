/** The end of a process of ours, whatever it does. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Kills it, unless it has ended already. Resolves when it is gone. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
