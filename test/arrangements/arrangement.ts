/**
 * How Ringback is put up for a test: one instance or several, on which store, behind what. Whatever it promises it promises in each
 * arrangement, so a test that says nothing of single processes knows one address and not who answers there.
 *
 * Knows no arrangement by name: each is a file beside this one, in the list of `each-arrangement.ts`.
 */
import type { BackEnd } from '../fixtures/back-end.ts';
import type { ServerOptions, ServerProcess } from '../fixtures/server.ts';

export interface Arrangement {
  /** For the titles of tests. */
  readonly name: string;
  /** Why it cannot be tried on this machine; false when it can. For the option `skip` of a test. */
  readonly skip: string | false;
  /** All instances in this process: quickly there, and with whatever only code can hand them. */
  start(options?: StartOptions): Promise<Running>;
  /** The same, in a time that only a test turns. */
  startTimed(options?: StartOptions): Promise<TimedRunning>;
  /** Each instance a process, which can be killed, and started again. */
  spawn(options?: SpawnOptions): Promise<RunningProcesses>;
}

/** What an arrangement does not decide itself. */
export type StartOptions = Omit<ServerOptions, 'store' | 'backplane' | 'host' | 'port' | 'publicUrl' | 'clock'>;

export interface SpawnOptions {
  /** After `serve`; nothing of what {@link StartOptions} leaves out. */
  readonly args?: readonly string[];
  /** For Node itself, before the program. */
  readonly nodeArgs?: readonly string[];
}

export interface Running extends AsyncDisposable {
  /** Where pages and senders find it; the same for as long as it runs. */
  readonly url: string;
  readonly backEnd: BackEnd;
}

export interface TimedRunning extends Running {
  /** Lets this time pass at once, for the instances and for their store. */
  turn(ms: number): Promise<void>;
}

export interface RunningProcesses extends Running {
  /** Any of them may answer. Where there is one, nobody answers while it is away. */
  readonly instances: readonly InstanceProcess[];
}

export interface InstanceProcess {
  /** Ends it; resolves, when it is gone, to what {@link ServerProcess.stop} does. */
  stop(signal: NodeJS.Signals): ReturnType<ServerProcess['stop']>;
  /** Starts another one in its place, on the same store. */
  start(): Promise<void>;
}

/** All at once, as when the power fails. */
export async function killAll({ instances }: RunningProcesses): Promise<void> {
  await Promise.all(instances.map((instance) => instance.stop('SIGKILL')));
}

export async function startAll({ instances }: RunningProcesses): Promise<void> {
  await Promise.all(instances.map((instance) => instance.start()));
}
