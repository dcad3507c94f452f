/** What the harness asks of the load generator, and what it answers: one answer to each command, in order. */
import { z } from 'zod';
import { dialects, type DialectName } from '../dialects/index.ts';

const positive = z.number().positive();

export const commandSchema = z.discriminatedUnion('do', [
  z.object({
    do: z.literal('meet'),
    dialect: z.custom<DialectName>((name) => typeof name === 'string' && Object.hasOwn(dialects, name)),
    ports: z.array(z.int()).min(1),
    postPorts: z.array(z.int()).min(1),
    isElsewhere: z.boolean(),
    apiKey: z.string(),
    graceMs: positive,
  }),
  z.object({ do: z.literal('connect'), count: z.int(), atOnce: z.int() }),
  z.object({
    do: z.literal('load'),
    posters: z.int(),
    ms: positive,
    rate: positive.exactOptional(),
    churn: positive.exactOptional(),
  }),
  z.object({ do: z.literal('count') }),
]);

/**
 * `ports`: of servers among which pages and their requests are spread evenly; `postPorts`: posters, in the same order if both are. `isElsewhere`: a message is posted only at another
 * one than its page is connected to. `graceMs`: how long what is under way at the end of a load may take, and the server to count the last answers. Without a rate
 * a load is closed: as fast as it goes. `churn`: connects and disconnects a second meanwhile.
 */
export type Command = z.infer<typeof commandSchema>;

const milliseconds = z.number().nonnegative();

const faultsSchema = z.object({
  lost: z.int(),
  doubled: z.int(),
  misrouted: z.int(),
  disordered: z.int(),
  refused: z.int(),
});

export const loadResultSchema = z.object({
  /** Messages that arrived within the time. */
  messages: z.int(),
  ms: milliseconds,
  /** Those too that arrived after it. */
  arrived: z.int(),
  /** Messages that were due and could not be sent: the server was too slow for the rate. */
  unsent: z.int(),
  p50: milliseconds,
  p99: milliseconds,
  p999: milliseconds,
  longest: milliseconds,
  /** The generator's own lateness: from when a message was due to when it was sent. */
  lateP50: milliseconds,
  lateP99: milliseconds,
  /** Share of the time that the generator's thread was waiting, 0 to 1. */
  waiting: z.number(),
});

export const countResultSchema = z.object({
  faults: faultsSchema,
  /** Answers that browsers sent. */
  answered: z.int(),
  /** Answers that the server knows of. */
  counted: z.int(),
});

export const connectResultSchema = z.object({ ms: milliseconds, waiting: z.number() });

export type LoadResult = z.infer<typeof loadResultSchema>;
export type CountResult = z.infer<typeof countResultSchema>;
export type ConnectResult = z.infer<typeof connectResultSchema>;

export const answerSchema = z.union([z.object({ done: z.unknown() }), z.object({ failed: z.string() })]);
