/** Browsers that come and go while a load is on: for each that comes, another leaves. */
import type { Crowd } from './crowd.ts';

const TICK_MS = 100;

export class Churn {
  readonly #timer: NodeJS.Timeout;

  /** @param perSecond how many come, and how many leave */
  constructor(crowd: Crowd, perSecond: number, onFailure: (error: Error) => void) {
    let owed = 0;
    this.#timer = setInterval(() => {
      owed += (perSecond * TICK_MS) / 1000;
      const count = Math.floor(owed);
      owed -= count;
      if (count === 0) return;
      crowd.connect(count, 1).catch(onFailure);
      for (let left = count; left > 0; left--) crowd.leave();
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
