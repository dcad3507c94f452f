/** So many times a minute for each address; then 429 until the minute is over. */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { RingbackError } from '../errors.ts';

export class Throttle {
  readonly #limiter: RateLimiterMemory;

  constructor(perMinute: number) {
    this.#limiter = new RateLimiterMemory({ points: perMinute, duration: 60 });
  }

  /** Counts one. @throws RingbackError rate_limited, with the time after which it is worth trying again */
  async count(address: string): Promise<void> {
    try {
      await this.#limiter.consume(address);
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      throw new RingbackError('rate_limited', { retryAfterSeconds: Math.max(1, Math.ceil(refusal.msBeforeNext / 1000)) });
    }
  }
}
