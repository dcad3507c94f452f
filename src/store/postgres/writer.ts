/**
 * Who writes when: calls gather while others are on their way, those of one kind share a commit, and a few batches are on their
 * way at once, as long as none of them could overtake another. Knows nothing of what the calls mean.
 *
 * The clock of the batches is the work itself: no timer, and no batch waits for another call.
 */
import { RingbackError } from '../../errors.ts';
import { Lane } from './lane.ts';
import { isLongAway } from './persist.ts';
import type { Means } from './persist.ts';
import type { Kind, Names, Place, Setting, Waiting } from './write.ts';

/** Batches on their way at once. */
const LANES = 3;
/** Calls that wait for somebody at work on their transaction: each has a connection meanwhile. */
const PATIENT_LANES = 3;
const MOST_BYTES = 4_194_304;

export interface WriterOptions extends Means {
  readonly limits: string;
  /** For tests: the time of each batch. Default: the database's clock. */
  readonly now?: (() => number) | undefined;
}

/** Which of them may not overtake which. */
const RIVALS: Readonly<Record<Names, readonly Names[]>> = { id: ['reference'], reference: ['id', 'both'], both: ['reference'] };

/** What may not be overtaken now. */
class Claims {
  readonly #keys = new Map<string, number>();
  readonly #names: Record<Names, number> = { id: 0, reference: 0, both: 0 };

  has({ keys, names }: Place): boolean {
    if (names !== undefined && RIVALS[names].some((rival) => this.#names[rival] > 0)) return true;
    return keys.some((key) => this.#keys.has(key));
  }

  add({ keys, names }: Place): void {
    if (names !== undefined) this.#names[names] += 1;
    for (const key of keys) this.#keys.set(key, (this.#keys.get(key) ?? 0) + 1);
  }

  removeNames({ names }: Place): void {
    if (names !== undefined) this.#names[names] -= 1;
  }

  removeKeys({ keys }: Place): void {
    for (const key of keys) {
      const count = (this.#keys.get(key) ?? 0) - 1;
      if (count === 0) this.#keys.delete(key);
      else this.#keys.set(key, count);
    }
  }
}

export class Writer implements AsyncDisposable {
  readonly #options: WriterOptions;
  readonly #lanes: Lane[];
  readonly #patientLanes: Lane[];
  readonly #claims = new Claims();
  /** Keys of those found busy, until they are answered. */
  readonly #held = new Claims();
  #queue: Waiting[] = [];
  /** Found busy; the keys that they claim stay theirs. */
  #busy: Waiting[] = [];
  #running = 0;
  #isFlushDue = false;
  #closing: PromiseWithResolvers<void> | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#lanes = Array.from({ length: LANES }, () => new Lane(options));
    this.#patientLanes = Array.from({ length: PATIENT_LANES }, () => new Lane(options));
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  join(waiting: Waiting): void {
    if (this.#closing !== undefined) return waiting.kind.fail(waiting, closed());
    this.#queue.push(waiting);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    // After all that has arrived by now: what many sockets ask in one turn of the event loop is one batch.
    setImmediate(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  /** What was asked before is done before. */
  [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.withResolvers();
      this.#rest();
    }
    return this.#closing.promise;
  }

  #flush(): void {
    for (const [lanes, isPatient] of [
      [this.#patientLanes, true],
      [this.#lanes, false],
    ] as const) {
      for (let lane = lanes.at(-1); lane !== undefined; lane = lanes.at(-1)) {
        const batch = isPatient ? this.#nextBusy() : this.#nextBatch();
        const [first] = batch;
        if (first === undefined) break;
        lanes.pop();
        void this.#run(first.kind, batch, { lane, lanes, isPatient });
      }
    }
    this.#rest();
  }

  async #run(
    kind: Kind,
    batch: readonly Waiting[],
    { lane, lanes, isPatient }: { readonly lane: Lane; readonly lanes: Lane[]; readonly isPatient: boolean },
  ): Promise<void> {
    this.#running += 1;
    const { limits, now } = this.#options;
    const setting: Setting = { now: now?.() ?? null, limits, isPatient };
    const busy = await kind.run(batch, lane, setting);
    const left = new Set(busy);
    for (const each of batch) {
      // Who is found busy claims its own transaction, and not all that may mean the same one: those of others would wait for
      // it. Who means it by another kind of name asked while it had no answer, so that either may be first.
      if (!isPatient) this.#claims.removeNames(each.place);
      if (!isPatient && left.has(each)) this.#held.add({ keys: each.place.keys });
      if (left.has(each)) continue;
      this.#claims.removeKeys(each.place);
      if (isPatient) this.#held.removeKeys(each.place);
    }
    this.#busy.push(...busy);
    // Nobody waits for a server that is known to be away.
    if (isLongAway(this.#options)) this.#rejectAll();
    lanes.push(lane);
    this.#running -= 1;
    this.#flush();
  }

  /** The first calls of one kind, none of which overtakes another; takes them out of the queue. */
  #nextBatch(): readonly Waiting[] {
    const batch: Waiting[] = [];
    let rest: Waiting[] = [];
    const passed = new Claims();
    const unique = new Set<string>();
    let bytes = 0;
    for (const [index, waiting] of this.#queue.entries()) {
      const { kind, place } = waiting;
      const first = batch[0]?.kind;
      if (first !== undefined && (batch.length >= first.most || bytes >= MOST_BYTES)) {
        // Not as arguments: there may be more than a call takes.
        rest = rest.concat(this.#queue.slice(index));
        break;
      }
      const isFree = (first ?? kind) === kind && !this.#claims.has(place) && !passed.has(place);
      if (isFree && place.unique?.some((key) => unique.has(key)) !== true) {
        batch.push(waiting);
        bytes += waiting.bytes;
        for (const key of place.unique ?? []) unique.add(key);
      } else {
        rest.push(waiting);
        passed.add(this.#claimOf(place));
      }
    }
    for (const { place } of batch) this.#claims.add(place);
    this.#queue = rest;
    return batch;
  }

  /** What is not to be overtaken while this waits. Behind one that is held: its own keys only, as that one claims. */
  #claimOf(place: Place): Place {
    const { keys } = place;
    return this.#held.has({ keys }) ? { keys } : place;
  }

  /** All that wait for what the first of them waits for: they come from one batch, and stay in its order. */
  #nextBusy(): readonly Waiting[] {
    const [first] = this.#busy;
    if (first === undefined) return [];
    const isAlong = ({ place }: Waiting): boolean => place.keys.some((key) => first.place.keys.includes(key));
    const batch = this.#busy.filter(isAlong);
    this.#busy = this.#busy.filter((each) => !isAlong(each));
    return batch;
  }

  #rejectAll(): void {
    const waiting = [...this.#busy, ...this.#queue];
    for (const { place } of this.#busy) {
      this.#claims.removeKeys(place);
      this.#held.removeKeys(place);
    }
    this.#busy = [];
    this.#queue = [];
    const cause = new Error('the database is away');
    for (const each of waiting) each.kind.fail(each, new RingbackError('store_unavailable', { cause }));
  }

  #rest(): void {
    if (this.#running === 0 && this.#queue.length === 0 && this.#busy.length === 0) this.#closing?.resolve();
  }
}

export function closed(): RingbackError {
  return new RingbackError('store_unavailable', { detail: 'The store is closed.' });
}
