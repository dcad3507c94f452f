/**
 * Follows one transaction for as long as it takes: connection after connection, each going on where the last one stood.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { ApiFailure, callApi } from '../api.ts';
import { Attendance, takesAcks } from './attendance.ts';
import type { AttendanceEnd } from './attendance.ts';
import type { Message } from './message.ts';
import { Progress } from './progress.ts';

const SHORTEST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;

export interface ListenerOptions {
  /** Of the server, without a slash at its end. */
  readonly url: string;
  readonly transactionId: string;
  readonly token: string;
  /** Begin after this sequence; undefined: where the transaction's receipt stands. */
  readonly after: number | undefined;
  /** End after a message of this type; undefined: when the transaction ends. */
  readonly once: string | undefined;
  /** Resolves when the message is out of our hands; only then is it acked. */
  readonly print: (message: Message) => Promise<void>;
  readonly talk: (text: string) => void;
  readonly signal: AbortSignal;
}

export type ListenResult =
  | { readonly outcome: 'done' }
  /** By {@link ListenerOptions.signal}. */
  | { readonly outcome: 'stopped' }
  | { readonly outcome: 'failed'; readonly reason: string };

/** A result, or undefined when another attempt may do better. */
type Verdict = ListenResult | undefined;

export class Listener {
  readonly #options: ListenerOptions;
  readonly #progress: Progress;
  #isConfirmed = false;
  /** Attempts since the last connection. */
  #failures = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#progress = new Progress(options.after);
  }

  async run(): Promise<ListenResult> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const verdict = await this.#attempt();
      if (verdict !== undefined) return verdict;
      if (!signal.aborted) await this.#pause();
    }
    return { outcome: 'stopped' };
  }

  async #attempt(): Promise<Verdict> {
    try {
      await this.#confirm();
      const { url, ...options } = this.#options;
      const attendance = new Attendance({ ...options, hubUrl: `${url}/hub`, progress: this.#progress });
      return this.#judge(await attendance.run(() => this.#onAttached()));
    } catch (error) {
      return this.#judgeRefusal(error);
    }
  }

  /** The hub goes by the token alone; a token of another transaction would be listened to without a word. */
  async #confirm(): Promise<void> {
    if (this.#isConfirmed) return;
    const { url, transactionId, token } = this.#options;
    await callApi({ url: `${url}/v1/transactions/${encodeURIComponent(transactionId)}`, bearer: token });
    this.#isConfirmed = true;
  }

  #onAttached(): void {
    this.#failures = 0;
    this.#options.talk('connected');
  }

  #judge(end: AttendanceEnd): Verdict {
    const { once, talk, signal } = this.#options;
    if (end.outcome === 'found') return { outcome: 'done' };
    if (end.outcome === 'failed') return end;
    if (end.outcome === 'closed') {
      if (!takesAcks(end.reason)) return { outcome: 'failed', reason: closedText(end.reason) };
      if (once === undefined || this.#progress.hasFound) return { outcome: 'done' };
      return { outcome: 'failed', reason: `${closedText(end.reason)}; no message of the type ${JSON.stringify(once)} came` };
    }
    if (!signal.aborted) talk(`the connection was lost: ${end.reason}`);
    return undefined;
  }

  #judgeRefusal(error: unknown): Verdict {
    const reason = error instanceof Error ? error.message : String(error);
    const status = error instanceof ApiFailure ? error.status : negotiateStatus(reason);
    if (status === 401) return { outcome: 'failed', reason: 'the access token is not, or no longer, good for this transaction' };
    if (status === 403 || status === 404) return { outcome: 'failed', reason };
    if (!this.#options.signal.aborted) this.#options.talk(reason);
    return undefined;
  }

  /** Longer from attempt to attempt, and never the same for two listeners, so that a server that comes back is not run over. */
  async #pause(): Promise<void> {
    const longest = Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** Math.min(this.#failures++, 16));
    const ms = randomInt(longest / 2, longest);
    this.#options.talk(`trying again in ${(ms / 1000).toFixed(1)} s`);
    // Aborted: the loop sees it.
    await pause(ms, undefined, { signal: this.#options.signal }).catch(() => undefined);
  }
}

/** The official client tells the status of a refused negotiate only in its text. */
function negotiateStatus(text: string): number | undefined {
  const found = /^Failed to complete negotiation with the server: .*Status code '(\d+)'/s.exec(text);
  return found === null ? undefined : Number(found[1]);
}

function closedText(reason: string): string {
  return reason === 'revoked' ? 'the access token was revoked' : `the transaction is ${reason}`;
}
