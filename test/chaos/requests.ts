/** Requests of back ends and providers that do not give up: what was not answered is asked again, with the same key. */
import { setTimeout } from 'node:timers/promises';
import { API_KEY } from '../fixtures/back-end.ts';

/** Longer than what a sender who waits for the page asks for. */
const ANSWER_MS = 12_000;
const PAUSE_MS = 150;

export interface Ask {
  readonly method: string;
  /** An absolute URL, or a path. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What came of one request; undefined: nothing is known of it. */
export interface Told {
  readonly status: number;
  readonly text: string;
}

export class Requests {
  /** All so far, and those that were not answered with success. */
  readonly counts = { asked: 0, unavailable: 0, lost: 0 };
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** Once. Undefined: there was no answer, or none of ours, or one that says that it is to be repeated. */
  async ask({ method, path, headers = {}, body }: Ask): Promise<Told | undefined> {
    this.counts.asked++;
    try {
      const response = await fetch(new URL(path, this.#url), {
        method,
        headers: {
          authorization: `Bearer ${API_KEY}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        signal: AbortSignal.timeout(ANSWER_MS),
        ...(body !== undefined && { body }),
      });
      const text = await response.text();
      // Whoever is asked while it is frozen finds, once it is not, that the question took too long.
      if (response.status < 500 && response.status !== 408) return { status: response.status, text };
      this.counts.unavailable++;
    } catch {
      this.counts.lost++;
    }
    return undefined;
  }

  /** Until there is an answer. @param isOver gives it up */
  async insist(question: Ask, isOver: () => boolean = () => false): Promise<Told | undefined> {
    for (;;) {
      const told = await this.ask(question);
      if (told !== undefined || isOver()) return told;
      await setTimeout(PAUSE_MS * (1 + Math.random()));
    }
  }

  /** As {@link insist}, of what has to succeed. @throws Error for another answer */
  async obtain<Body>(question: Ask, ...statuses: readonly number[]): Promise<Body> {
    const told = await this.insist(question);
    if (told === undefined || !statuses.includes(told.status))
      throw new Error(`${question.method} ${question.path} was answered ${told?.status} ${told?.text}`);
    return JSON.parse(told.text || 'null');
  }
}
