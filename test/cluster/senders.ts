/**
 * Senders that keep to the contract: each message has a key, and one that was not acknowledged is sent again with the same one,
 * after the time that the answer names. They remember every answer, and can tell afterwards whether it was kept.
 */
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import type { SentView } from '../../src/server/wire.ts';
import type { BackEnd } from '../fixtures/back-end.ts';

/** Who gets no answer at all asks again after this time. */
const PAUSE_MS = 50;
/** In place of the seconds that an answer names: a test has less time than a shop. */
const SHORTEST_MS = 250;
/** Longer than any outage that they are put through. */
const PATIENCE_MS = 150_000;

export class Senders implements AsyncDisposable {
  /** How often there was each status; 0: no answer. */
  readonly statuses = new Map<number, number>();
  /** The longest that a sender has waited for its 202, in milliseconds. */
  longestMs = 0;
  readonly #backEnd: BackEnd;
  /** By transaction: the answers, by key. */
  readonly #answered = new Map<string, Map<string, SentView>>();
  #running: Promise<void>[] = [];
  #isOver = false;
  #isLeft = false;
  #sent = 0;

  constructor(backEnd: BackEnd) {
    this.#backEnd = backEnd;
  }

  get answered(): number {
    return [...this.#answered.values()].reduce((sum, answers) => sum + answers.size, 0);
  }

  countOf(transactionId: string): number {
    return this.#answered.get(transactionId)?.size ?? 0;
  }

  /** One sender for each of these, until {@link end}: one message after the other, a little apart. */
  begin(transactionIds: readonly string[]): void {
    for (const id of transactionIds) {
      const running = this.#sendOn(id);
      // What it fails with is told at the end.
      running.catch(() => undefined);
      this.#running.push(running);
    }
  }

  /** Waits until all that was begun is answered. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    this.#running = [];
    this.#isOver = false;
  }

  /** Nobody is waited for any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#isLeft = true;
    await Promise.allSettled(this.#running);
  }

  /** One message, and its repeats until it is acknowledged. */
  async send(transactionId: string): Promise<SentView> {
    const key = `key-${++this.#sent}`;
    const startedAt = performance.now();
    for (;;) {
      const answer = await this.#try(transactionId, key);
      if (answer !== undefined) {
        this.longestMs = Math.max(this.longestMs, performance.now() - startedAt);
        return answer;
      }
      assert.ok(!this.#isLeft && performance.now() - startedAt < PATIENCE_MS, `${key} is not acknowledged`);
    }
  }

  /** In the store: each answer's message where the answer said, no key twice, nothing else. */
  async verify(transactionId: string): Promise<void> {
    const answers = this.#answered.get(transactionId) ?? new Map<string, SentView>();
    const { messages, lastSequence } = await this.#backEnd.messages(transactionId, 0, 1_000);
    assert.equal(messages.length, lastSequence, 'all of them fit into one page');
    assert.deepEqual(
      messages.map(({ id, sequence }) => [id, sequence]),
      [...answers.values()].map(({ id, sequence }) => [id, sequence]).toSorted(([, a], [, b]) => Number(a) - Number(b)),
    );
  }

  async #sendOn(transactionId: string): Promise<void> {
    while (!this.#isOver) {
      await this.send(transactionId);
      await wait(PAUSE_MS);
    }
  }

  async #try(transactionId: string, key: string): Promise<SentView | undefined> {
    const answer = await this.#backEnd
      .call('POST', `/v1/transactions/${transactionId}/messages`, {
        headers: { 'idempotency-key': key },
        json: { type: 'note', data: { key } },
      })
      .catch(() => undefined);
    const status = answer?.status ?? 0;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (answer?.status === 202) {
      const sent: SentView = JSON.parse(answer.text);
      const answers = this.#answered.get(transactionId) ?? new Map<string, SentView>();
      this.#answered.set(transactionId, answers.set(key, sent));
      return sent;
    }
    // A balancer whose server has died in the middle of an answer says 502, and names no time.
    const isAsked = answer === undefined || status === 502 || (status === 503 && answer.headers.has('retry-after'));
    assert.ok(isAsked, `${status}: ${answer?.text}`);
    await wait(status === 503 ? SHORTEST_MS : PAUSE_MS);
    return undefined;
  }
}
