/**
 * A store of which calls fail as planned: before they did anything, or after they did everything.
 */
import { RingbackError } from '../../src/errors.ts';
import type { Store } from '../../src/store/store.ts';

export type Fault = 'none' | 'before' | 'after';

/** More than the tries after which the pauses between them grow no longer. */
const MOST_FAULTS_IN_ROW = 8;

/** Fails calls as planned, over and over, while it is on. */
export class Unreliable {
  readonly #plan: readonly Fault[];
  /** By the name of the call: how many have failed since one succeeded. */
  readonly #failedInRow = new Map<string, number>();
  #calls = 0;
  isOn = false;
  count = 0;

  constructor(plan: readonly Fault[]) {
    this.#plan = plan;
  }

  around(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]): Promise<unknown> => {
          const fault = this.isOn && typeof name === 'string' ? this.#next(name) : 'none';
          if (fault !== 'none') this.count++;
          if (fault === 'before') throw new RingbackError('store_unavailable');
          const result: unknown = await Reflect.apply(member, target, args);
          if (fault === 'after') throw new RingbackError('store_unavailable');
          return result;
        };
      },
    });
  }

  /**
   * Each try of a sender makes calls of others too, so that its own could meet the faults of the plan and nothing else, for
   * ever: a call that has failed so often in a row succeeds.
   */
  #next(name: string): Fault {
    const failed = this.#failedInRow.get(name) ?? 0;
    const planned = this.#plan[this.#calls++ % this.#plan.length] ?? 'none';
    const fault = failed < MOST_FAULTS_IN_ROW ? planned : 'none';
    this.#failedInRow.set(name, fault === 'none' ? 0 : failed + 1);
    return fault;
  }
}
