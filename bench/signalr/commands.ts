/** What the harness asks of the generator of calls, and what it answers. */
import { z } from 'zod';
import { speeches, type SpeechName } from './speech.ts';

export const commandSchema = z.discriminatedUnion('do', [
  z.object({
    do: z.literal('connect'),
    port: z.int(),
    speech: z.custom<SpeechName>((name) => typeof name === 'string' && Object.hasOwn(speeches, name)),
    connections: z.int(),
    atOnce: z.int(),
  }),
  z.object({
    do: z.literal('load'),
    method: z.enum(['Echo', 'Broadcast', 'Tell']),
    callers: z.int(),
    ms: z.number(),
    /** What has not come so long after the load is lost. */
    graceMs: z.number(),
  }),
]);

export type Command = z.infer<typeof commandSchema>;
export type Load = Omit<Extract<Command, { do: 'load' }>, 'do'>;

export const loadResultSchema = z.object({
  /** Texts that have arrived wherever they should. */
  calls: z.number(),
  /** Arrivals at connections. */
  arrivals: z.number(),
  ms: z.number(),
  /** From the call to the last of its arrivals, in milliseconds. */
  p50: z.number(),
  p99: z.number(),
  p999: z.number(),
  /** Share of the time that the generator had nothing to do. */
  waiting: z.number(),
  lost: z.number(),
  /** Arrived where they should not, or again. */
  astray: z.number(),
});

export type LoadResult = z.infer<typeof loadResultSchema>;

export const answerSchema = z.union([z.object({ done: z.unknown() }), z.object({ failed: z.string() })]);
