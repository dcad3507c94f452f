/**
 * Every message under way, and what went wrong with any: nothing may be lost, doubled or come to another connection than the
 * one it was sent to. Memory is bounded: a number's place is used again long after it is done. Knows no sockets.
 */

/** How many messages may be under way at once, and how far back a doubled one is still known by its number. */
const PLACES = 1 << 18;

const ARRIVED = 1;
const ANSWERED = 2;
const GIVEN_UP = 4;

export interface Faults {
  /** Never came to any connection. */
  readonly lost: number;
  /** Came again. */
  readonly doubled: number;
  /** Came to a connection that it was not sent to. */
  readonly misrouted: number;
  /** Arrived on the right connection, but not in the order in which the server numbered them. */
  readonly disordered: number;
  /** POSTs that were answered with something else than 202, or not at all. */
  readonly refused: number;
}

export class Ledger {
  readonly #numbers = new Float64Array(PLACES);
  readonly #connections = new Int32Array(PLACES);
  readonly #dueAt = new Float64Array(PLACES);
  readonly #states = new Uint8Array(PLACES);
  readonly #faults = { lost: 0, doubled: 0, misrouted: 0, disordered: 0, refused: 0 };
  #next = 1;
  #underWay = 0;

  /** Messages whose frame or whose answer is still awaited. */
  get underWay(): number {
    return this.#underWay;
  }

  get faults(): Faults {
    return { ...this.#faults };
  }

  /**
   * @param connection the one that it is sent to
   * @param dueAt when it should be sent, in the caller's milliseconds
   * @returns the message's number, which its body carries
   */
  begin(connection: number, dueAt: number): number {
    const number = this.#next++;
    const place = number % PLACES;
    if (number > PLACES && (this.#states[place] ?? 0) < (ARRIVED | ANSWERED)) this.#giveUp(place);
    this.#numbers[place] = number;
    this.#connections[place] = connection;
    this.#dueAt[place] = dueAt;
    this.#states[place] = 0;
    this.#underWay++;
    return number;
  }

  /** A frame with this number came. Returns when it was due, or undefined if it is no first and right arrival. */
  arrive(number: number, connection: number): number | undefined {
    const place = number % PLACES;
    const state = this.#states[place] ?? 0;
    if (state & GIVEN_UP && this.#numbers[place] === number) return undefined; // counted as lost
    if (this.#numbers[place] !== number || state & ARRIVED) {
      this.#faults.doubled++;
      return undefined;
    }
    this.#note(place, ARRIVED);
    if (this.#connections[place] === connection) return this.#dueAt[place];
    this.#faults.misrouted++;
    return undefined;
  }

  /** The POST with this number was answered. */
  answer(number: number, isRight: boolean): void {
    if (!isRight) this.#faults.refused++;
    this.#note(number % PLACES, ANSWERED);
  }

  isDone(number: number): boolean {
    const place = number % PLACES;
    return this.#numbers[place] !== number || (this.#states[place] ?? 0) >= (ARRIVED | ANSWERED);
  }

  disorder(): void {
    this.#faults.disordered++;
  }

  /** Nothing more is waited for: what has not come is lost. */
  giveUp(): void {
    if (this.#underWay === 0) return;
    for (let place = 0; place < PLACES; place++) {
      if ((this.#numbers[place] ?? 0) > 0 && (this.#states[place] ?? 0) < (ARRIVED | ANSWERED)) this.#giveUp(place);
    }
  }

  #giveUp(place: number): void {
    const state = this.#states[place] ?? 0;
    if (!(state & ARRIVED)) this.#faults.lost++;
    if (!(state & ANSWERED)) this.#faults.refused++;
    this.#states[place] = state | ARRIVED | ANSWERED | GIVEN_UP;
    this.#underWay--;
  }

  #note(place: number, what: number): void {
    const before = this.#states[place] ?? 0;
    const after = before | what;
    this.#states[place] = after;
    if (before !== after && after === (ARRIVED | ANSWERED)) this.#underWay--;
  }
}
