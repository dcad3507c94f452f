/**
 * One kind of write: how the calls that wait for it become one statement, and its answers theirs. Knows nothing of when.
 */
import { RingbackError } from '../../errors.ts';
import { sqlState } from '../../postgres/faults.ts';
import type { Statement } from '../../postgres/pool.ts';
import { inUse } from '../in-use.ts';
import type { Lane } from './lane.ts';
import { isStorable } from './storable.ts';

/** Somebody else is at its transaction: this call alone has to wait. */
export const BUSY = Symbol('busy');
/** An id or hash that has to be new is not. */
export const IN_USE = Symbol('in use');

/** Two that open at the same instant with one id meet in the index: the second time, one sees the other. */
const TRIES_ALONE = 3;
const UNIQUE_VIOLATION = '23505';

/**
 * What a call says of its transaction. Who knows only the id and who knows only the reference may mean the same one, and who
 * opens one makes room for what others park.
 */
export type Names = 'id' | 'reference' | 'both';

/** What a call may not overtake. */
export interface Place {
  /** Calls that share one are done in the order in which they were asked for. */
  readonly keys: readonly string[];
  readonly names?: Names;
  /** No two calls of one batch may share one of these. */
  readonly unique?: readonly string[];
}

export interface WriteDefinition<Call, Answer, Answers> {
  /** Of the function in the schema `ringback`. */
  readonly name: string;
  /** Types of its own parameters. */
  readonly types: readonly string[];
  /** Calls in one batch. */
  readonly most: number;
  readonly place: (call: Call) => Place;
  /** All text of a call that is not JSON of ours. */
  readonly texts: (call: Call) => readonly (string | undefined)[];
  /** For the parameters of {@link types}. */
  readonly values: (calls: readonly Call[]) => readonly unknown[];
  /** One for each call. */
  readonly answers: (answers: Answers, calls: readonly Call[]) => readonly (Answer | typeof BUSY | typeof IN_USE)[];
}

/** A call that waits; what it is about only its kind knows. */
export interface Waiting {
  readonly kind: Kind;
  readonly place: Place;
  /** About what its parameters weigh. */
  readonly bytes: number;
}

/** What every call of a kind is given along. */
export interface Setting {
  /** Epoch milliseconds; null: the database's clock. */
  readonly now: number | null;
  /** A literal of the type `ringback.limits`. */
  readonly limits: string;
  /** Whether it waits for whom it finds at work. */
  readonly isPatient: boolean;
}

export interface Kind {
  readonly most: number;
  /** Answers the calls; returns those that are busy, which are not answered. Never rejects. */
  run(batch: readonly Waiting[], lane: Lane, setting: Setting): Promise<readonly Waiting[]>;
  fail(waiting: Waiting, error: unknown): void;
}

interface Entry<Call, Answer> {
  readonly call: Call;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export class Write<Call, Answer, Answers> implements Kind {
  readonly #definition: WriteDefinition<Call, Answer, Answers>;
  readonly #statement: Statement;
  readonly #entries = new Map<Waiting, Entry<Call, Answer>>();

  constructor(definition: WriteDefinition<Call, Answer, Answers>) {
    this.#definition = definition;
    const { name, types } = definition;
    const own = types.map((type, index) => `, $${index + 6}::${type}`).join('');
    const called = `ringback.${name}(coalesce($3::bigint, ringback.now_ms()), $4::ringback.limits, $5::boolean${own})`;
    this.#statement = {
      name,
      text: `SELECT coalesce(ringback.answered($1, $2), ringback.answer($1, $2, ${called})) AS answers`,
    };
  }

  get most(): number {
    return this.#definition.most;
  }

  /** @param join puts the call where it waits for its turn */
  ask(call: Call, join: (waiting: Waiting) => void): Promise<Answer> {
    const texts = this.#definition.texts(call);
    if (!texts.every(isStorable)) {
      const cause = new TypeError('expected text without NUL and lone surrogates');
      return Promise.reject(new RingbackError('internal_error', { cause }));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const bytes = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
    const waiting: Waiting = { kind: this, place: this.#definition.place(call), bytes };
    this.#entries.set(waiting, { call, resolve, reject });
    join(waiting);
    return promise;
  }

  async run(batch: readonly Waiting[], lane: Lane, setting: Setting): Promise<readonly Waiting[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#try(batch, lane, setting);
      } catch (error) {
        if (batch.length > 1 && isOfOneCall(error)) return await this.#runEach(batch, lane, setting);
        if (tries < TRIES_ALONE && isCollision(error)) continue;
        for (const waiting of batch) this.fail(waiting, error);
        return [];
      }
    }
  }

  fail(waiting: Waiting, error: unknown): void {
    this.#take(waiting)?.reject(error);
  }

  async #runEach(batch: readonly Waiting[], lane: Lane, setting: Setting): Promise<readonly Waiting[]> {
    const busy: Waiting[] = [];
    for (const waiting of batch) busy.push(...(await this.run([waiting], lane, setting)));
    return busy;
  }

  async #try(batch: readonly Waiting[], lane: Lane, { now, limits, isPatient }: Setting): Promise<readonly Waiting[]> {
    const calls = batch.flatMap((waiting) => this.#entries.get(waiting)?.call ?? []);
    const { values, answers } = this.#definition;
    const text = await lane.run(this.#statement, [now, limits, isPatient, ...values(calls)]);
    const parsed: Answers = JSON.parse(text);
    const busy: Waiting[] = [];
    for (const [index, answer] of answers(parsed, calls).entries()) {
      const waiting = batch[index];
      if (waiting === undefined) continue;
      if (answer === BUSY) busy.push(waiting);
      else if (answer === IN_USE) this.fail(waiting, inUse());
      else this.#take(waiting)?.resolve(answer);
    }
    return busy;
  }

  #take(waiting: Waiting): Entry<Call, Answer> | undefined {
    const entry = this.#entries.get(waiting);
    this.#entries.delete(waiting);
    return entry;
  }
}

function isOfOneCall(error: unknown): boolean {
  return error instanceof RingbackError && error.code === 'internal_error';
}

function isCollision(error: unknown): boolean {
  return error instanceof RingbackError && sqlState(error.cause) === UNIQUE_VIOLATION;
}
