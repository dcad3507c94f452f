/** What the server under a steady load notes of itself each second, a JSON line each. */
import { z } from 'zod';

const eventSchema = z.object({
  /** Its end, in milliseconds since the epoch. */
  at: z.number(),
  ms: z.number(),
});

const pauseSchema = eventSchema.extend({
  /** CPU time of the thread meanwhile: where it is much less, the machine was busy with something else. */
  cpuMs: z.number(),
});

export const sampleSchema = z.object({
  at: z.number(),
  rssBytes: z.number(),
  heapUsedBytes: z.number(),
  heapTotalBytes: z.number(),
  /** The longest time in this second for which the event loop did not come to its timers. */
  longestPauseMs: z.number(),
  /** Those of note. */
  pauses: z.array(pauseSchema),
  /** Collections of note. */
  collections: z.array(eventSchema),
});

export type Sample = z.infer<typeof sampleSchema>;
export type Event = z.infer<typeof eventSchema>;
export type Pause = z.infer<typeof pauseSchema>;

/** The name of the variable that says in which folder samples are written, a file for each process. */
export const FOLDER_VARIABLE = 'RINGBACK_BENCH_SAMPLES';
