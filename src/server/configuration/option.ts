/**
 * What an option is: a schema with a note on how people name and read it. The notes drive flags, environment, help and docs.
 */
import { z } from 'zod';
import { shown } from './configuration-error.ts';

export interface OptionNote {
  /** The flag without its dashes. `RINGBACK_<FLAG>` is its environment variable. */
  readonly flag: string;
  /** How flag and environment texts are read; `switch` needs no value as a flag, `list` may be repeated. */
  readonly kind: 'text' | 'number' | 'switch' | 'list';
  /** What stands for the value in `--help`; empty for a switch. */
  readonly argument: string;
  /** One sentence for people. */
  readonly text: string;
  /** What it is without any setting, as people read it. */
  readonly default: string;
  /** Of a later issue: known, so that it is refused by name, but not offered. */
  readonly hidden?: true;
}

/** A note as the table writes it; the default comes from the schema. */
type NewNote = Omit<OptionNote, 'default' | 'kind' | 'argument'> & Partial<OptionNote>;

/** The notes, by schema. */
export const optionNotes = z.registry<OptionNote>();

/** An option that always has a value. */
export function withDefault<Schema extends z.ZodType>(
  schema: Schema,
  value: z.input<Schema>,
  note: NewNote,
): z.ZodPrefault<Schema> {
  const option = z.prefault(schema, value);
  optionNotes.add(option, { kind: 'text', argument: '', default: String(value), ...note });
  return option;
}

/** An option that may be absent; `note.default` says what that means. */
export function optional<Schema extends z.ZodType>(
  schema: Schema,
  note: NewNote & { readonly default: string },
): z.ZodExactOptional<Schema> {
  const option = z.exactOptional(schema);
  optionNotes.add(option, { kind: 'text', argument: '', ...note });
  return option;
}

/** A whole number within bounds, both included. */
export function integer(least: number, largest: number): z.ZodNumber {
  const error = `expected a whole number from ${least} to ${largest}`;
  return z.number({ error }).int({ error }).min(least, { error }).max(largest, { error });
}

/** What reading a text came to: a value, or the sentence that says why not. */
export type Reading<Value> = { readonly value: Value } | { readonly problem: string };

/** A text with a form of its own. */
export function written<Value>(
  expected: string,
  read: (text: string) => Reading<Value>,
): z.ZodPipe<z.ZodString, z.ZodTransform<Value, string>> {
  return z.string({ error: `expected ${expected}` }).transform((text, context) => {
    const reading = read(text);
    if ('value' in reading) return reading.value;
    context.addIssue({ code: 'custom', message: reading.problem });
    return z.NEVER;
  });
}

/** The reading of a text that is none of what was expected. */
export function unexpected(text: string, expected: string): { readonly problem: string } {
  return { problem: `expected ${expected}, got ${shown(text)}` };
}
