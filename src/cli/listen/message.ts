/** What the hub sends to a page, checked as it arrives. */
import { z } from 'zod';

export interface Message {
  readonly id: string;
  /** 1, 2, 3 … */
  readonly sequence: number;
  readonly type: string;
  readonly data: unknown;
  /** ISO 8601. */
  readonly time: string;
}

const messageSchema = z.object({
  id: z.string(),
  sequence: z.int().min(1),
  type: z.string(),
  data: z.unknown(),
  time: z.string(),
});

const caughtUpSchema = z.object({ sequence: z.int().min(0), reset: z.boolean().optional() });

const closedSchema = z.object({ reason: z.string() });

/** Undefined for what is no message. */
export function readMessage(value: unknown): Message | undefined {
  const { data: message } = messageSchema.safeParse(value);
  if (message === undefined) return undefined;
  const { id, sequence, type, data, time } = message;
  return { id, sequence, type, data, time };
}

export function readCaughtUp(value: unknown): { readonly sequence: number; readonly isReset: boolean } | undefined {
  const { data } = caughtUpSchema.safeParse(value);
  return data && { sequence: data.sequence, isReset: data.reset === true };
}

export function readClosed(value: unknown): string | undefined {
  return closedSchema.safeParse(value).data?.reason;
}
