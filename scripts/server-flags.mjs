import { availableParallelism } from 'node:os';

/** V8 starts four for each process, however few processors there are. */
const USUAL_HELPERS = 4;
/** One processor is for the program itself. */
const helpers = Math.min(USUAL_HELPERS, Math.max(1, availableParallelism() - 1));

/**
 * Node's flags for a process that serves, which a program cannot set for itself. New objects get two spaces of 8 MB (Node would
 * grow them to 64 MB each on a large machine), and old ones are collected when there are 40 % more of them: an idle connection
 * then costs less than a third of the memory. And V8's helper threads are no more than there are processors for them.
 */
export const SERVER_FLAGS = ['--max-semi-space-size=8', '--heap-growing-percent=40', `--v8-pool-size=${helpers}`];
