/**
 * Ids of the messages that a store names itself: random, and with the sequence at their end, so that a store can find them
 * without an index of names. Knows nothing of how messages are kept.
 */
import { randomText } from '../random-text.ts';

/** Ids grant nothing, but a guess must not hit one either. */
const RANDOM_BYTES = 18;

const ID = /^msg_[\w-]{24}([1-9a-z][0-9a-z]{0,6})$/;

/** `msg_…`: 144 random bits, then the sequence to the base of 36. */
export function newMessageId(sequence: number): string {
  return messageId(newMessageStem(), sequence);
}

/** What such an id begins with, where the sequence is not known yet. */
export function newMessageStem(): string {
  return `msg_${randomText(RANDOM_BYTES)}`;
}

export function messageId(stem: string, sequence: number): string {
  return stem + sequence.toString(36);
}

/** The sequence that an id has, if it is one of ours. Anybody can write such a text: look whether that message has this id. */
export function sequenceIn(id: string): number | undefined {
  const sequence = ID.exec(id)?.[1];
  return sequence === undefined ? undefined : Number.parseInt(sequence, 36);
}
