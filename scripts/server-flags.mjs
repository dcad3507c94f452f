/**
 * Node's flags for a process that serves, which a program cannot set for itself. New objects get two spaces of 8 MB (Node would
 * grow them to 64 MB each on a large machine), and old ones are collected when there are 40 % more of them: an idle connection
 * then costs less than a third of the memory.
 */
export const SERVER_FLAGS = ['--max-semi-space-size=8', '--heap-growing-percent=40'];
