/**
 * The two loads. Closed: each poster sends its next message when the last one was answered and has arrived. Open: messages
 * are due at fixed times, whatever became of those before; latency counts from when a message was due.
 */
import type { Dialect } from '../dialects/dialect.ts';
import { portOf, type Crowd } from './crowd.ts';
import type { Ledger } from './ledger.ts';
import { Metronome } from './metronome.ts';
import { Poster } from './poster.ts';

/** A new thread needs some time before its first beat. */
export const RUN_UP_MS = 150;

export interface Field {
  /** Of each server that is posted to; the nth poster is connected to the nth of them, and round again. */
  readonly ports: readonly number[];
  /** A message is posted only at another server than its page is connected to. */
  readonly isElsewhere: boolean;
  readonly dialect: Dialect;
  readonly crowd: Crowd;
  readonly ledger: Ledger;
  /** How long what is under way at the end may take. */
  readonly graceMs: number;
  /** How late a message was sent, for it was this process that was late. */
  readonly onLate: (ms: number) => void;
}

export interface Load {
  /** A message has arrived and was answered by its browser. */
  onAnswered(number: number): void;
  /** Resolves when the time is over and nothing is under way, or given up. */
  run(): Promise<void>;
  /** Messages that were due and were not sent. */
  readonly unsent: number;
}

/** What all loads do at their ends. */
class Posters {
  readonly all: readonly Poster[];
  readonly failure: Promise<never>;
  readonly #field: Field;

  constructor(field: Field, count: number, onAnswer: (poster: Poster) => void) {
    this.#field = field;
    const { ports, dialect, crowd, ledger } = field;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    this.failure = promise;
    const whenAnswered = (poster: Poster, isAccepted: boolean): void => {
      ledger.answer(poster.number, isAccepted);
      onAnswer(poster);
    };
    this.all = Array.from(
      { length: count },
      (_, number) =>
        new Poster({
          server: number % ports.length,
          port: portOf(ports, number),
          dialect,
          sampleId: crowd.idOf(0),
          onAnswer: whenAnswered,
          onGone: reject,
        }),
    );
  }

  send(poster: Poster, dueAt: number): void {
    const { crowd, ledger, isElsewhere } = this.#field;
    const index = isElsewhere ? crowd.pick(poster.server) : crowd.pick();
    poster.post(crowd.idOf(index), ledger.begin(index, dueAt));
  }

  /** Waits for what is under way; then what has not come is lost. */
  async settle(): Promise<void> {
    const { ledger, graceMs } = this.#field;
    const until = performance.now() + graceMs;
    while (ledger.underWay > 0 && performance.now() < until) await Promise.race([pause(5), this.failure]);
    ledger.giveUp();
    for (const poster of this.all) poster.close();
  }
}

export class ClosedLoad implements Load {
  readonly #ms: number;
  readonly #ledger: Ledger;
  readonly #posters: Posters;
  /** Whose message it is that is under way. */
  readonly #senders = new Map<number, Poster>();
  #isOver = false;
  readonly unsent = 0;

  constructor(field: Field, { posters, ms }: { readonly posters: number; readonly ms: number }) {
    this.#ms = ms;
    this.#ledger = field.ledger;
    this.#posters = new Posters(field, posters, (poster) => this.#goOn(poster.number, poster));
  }

  onAnswered(number: number): void {
    const sender = this.#senders.get(number);
    if (sender !== undefined) this.#goOn(number, sender);
  }

  async run(): Promise<void> {
    for (const poster of this.#posters.all) this.#next(poster);
    await Promise.race([pause(this.#ms), this.#posters.failure]);
    this.#isOver = true;
    await this.#posters.settle();
  }

  #goOn(number: number, sender: Poster): void {
    if (!this.#ledger.isDone(number) || !this.#senders.delete(number)) return;
    if (!this.#isOver) this.#next(sender);
  }

  #next(poster: Poster): void {
    this.#posters.send(poster, performance.now());
    this.#senders.set(poster.number, poster);
  }
}

export class OpenLoad implements Load {
  readonly #field: Field;
  readonly #schedule: { readonly inMs: number; readonly intervalMs: number; readonly count: number };
  readonly #posters: Posters;
  readonly #idle: Poster[];
  #firstAt = 0;
  #sent = 0;
  /** Something is due and no connection is free: what is late from here on is late by the server. */
  #isHeldUp = false;
  #onSent: (() => void) | undefined;

  constructor(field: Field, { posters, ms, rate }: { readonly posters: number; readonly ms: number; readonly rate: number }) {
    this.#field = field;
    this.#schedule = { inMs: RUN_UP_MS, intervalMs: 1000 / rate, count: Math.max(1, Math.round((rate * ms) / 1000)) };
    this.#posters = new Posters(field, posters, (poster) => {
      this.#idle.push(poster);
      this.#sendWhatIsDue();
    });
    this.#idle = [...this.#posters.all];
  }

  get unsent(): number {
    return this.#schedule.count - this.#sent;
  }

  onAnswered(): void {}

  async run(): Promise<void> {
    const { inMs, intervalMs, count } = this.#schedule;
    this.#firstAt = performance.now() + inMs;
    const metronome = new Metronome(this.#schedule, () => this.#sendWhatIsDue());
    const allSent = new Promise<void>((resolve) => (this.#onSent = resolve));
    // A server that cannot keep up gets as long again; what is then not sent counts in no figure but the rate.
    await Promise.race([allSent, pause(inMs + 2 * count * intervalMs + this.#field.graceMs), this.#posters.failure]);
    await metronome.stop();
    await this.#posters.settle();
  }

  #sendWhatIsDue(): void {
    const { intervalMs, count } = this.#schedule;
    const now = performance.now();
    for (;;) {
      const dueAt = this.#firstAt + this.#sent * intervalMs;
      if (dueAt > now || this.#sent >= count) {
        this.#isHeldUp = false;
        return;
      }
      const poster = this.#idle.shift(); // the one that has been idle for the longest
      if (poster === undefined) {
        this.#isHeldUp = true; // until one is free
        return;
      }
      this.#sent++;
      if (!this.#isHeldUp) this.#field.onLate(now - dueAt);
      this.#posters.send(poster, dueAt);
      if (this.#sent === count) this.#onSent?.();
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
