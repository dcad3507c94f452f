/** Everything that is sent to one transaction, in every way there is, and what was answered. */
import { setTimeout } from 'node:timers/promises';
import type { SentView } from '../../src/server/wire.ts';
import { signedBy } from '../webhooks/provider.ts';
import type { AnswerNote, SendKind, SendNote } from './history.ts';
import type { Ask, Requests, Told } from './requests.ts';

/** As long as a back end waits for a page at most. */
const WAIT_SECONDS = 4;
/** How often what was not answered is not sent again: nobody knows whether it is there. */
const GIVING_UP = 0.15;

export interface SendsOptions {
  readonly requests: Requests;
  readonly random: () => number;
  /** Of the visit, which is its reference, too. */
  readonly name: string;
  /** Of the provider of the source `acme`. */
  readonly secret: string;
  /** Where what was sent is noted. */
  readonly notes: SendNote[];
}

export interface Address {
  readonly transactionId: string;
  readonly callbackUrl: string;
}

export class Sends {
  readonly #options: SendsOptions;
  readonly #pending = new Set<Promise<void>>();
  /** Undefined: not opened yet. */
  address: Address | undefined;

  constructor(options: SendsOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Begins to send something. */
  begin({ isLate = false } = {}): void {
    const { random, notes, name } = this.#options;
    const kind = this.#chooseKind();
    const note: SendNote = { key: `${name}.${notes.length + 1}`, kind, answers: [], isLate, requests: 0 };
    notes.push(note);
    const question = this.#questionOf(note, random() < 0.15);
    // A back end that runs twice, too, sends once.
    const sendings = Array.from({ length: random() < 0.1 ? 2 : 1 }, () => this.#send(note, question));
    for (const sending of sendings) {
      this.#pending.add(sending);
      void sending.finally(() => this.#pending.delete(sending));
    }
  }

  /** Everything is answered, or given up. */
  async rest(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #chooseKind(): SendKind {
    const chance = this.#options.random();
    if (this.address === undefined || chance < 0.2) return 'webhook';
    return chance < 0.35 ? 'callback' : 'message';
  }

  #questionOf({ key, kind }: SendNote, isWaiting: boolean): () => Ask {
    const { address } = this;
    if (kind === 'webhook' || address === undefined) return () => this.#webhook(key);
    if (kind === 'callback') {
      const body = JSON.stringify({ key });
      return () => ({ method: 'POST', path: address.callbackUrl, headers: { 'idempotency-key': key }, body });
    }
    const headers = { 'idempotency-key': key, ...(isWaiting && { prefer: `wait=${WAIT_SECONDS}` }) };
    const body = JSON.stringify({ type: 'note', data: { key } });
    return () => ({ method: 'POST', path: `/v1/transactions/${address.transactionId}/messages`, headers, body });
  }

  #webhook(key: string): Ask {
    const { name, secret } = this.#options;
    const body = JSON.stringify({ type: 'paid', data: { reference: name, key } });
    return { method: 'POST', path: '/webhooks/acme', headers: signedBy(secret, { id: key, at: Date.now(), body }), body };
  }

  async #send(note: SendNote, question: () => Ask): Promise<void> {
    const { requests, random } = this.#options;
    for (;;) {
      note.requests++;
      const told = await requests.ask(question());
      if (told !== undefined) return this.#note(note, told);
      if (random() < GIVING_UP) return;
      await setTimeout(50 + 400 * random());
    }
  }

  #note(note: SendNote, { status, text }: Told): void {
    if (status === 200 || status === 202) note.answers.push(answerOf(note.kind, text));
    // Who is late may be refused.
    else if (!(note.isLate && [404, 410].includes(status))) note.refusal = `${status} ${text}`;
  }
}

function answerOf(kind: SendKind, text: string): AnswerNote {
  const at = performance.now();
  if (kind !== 'message') return { at, isHandled: false };
  const { id, sequence, status, reply }: SentView = JSON.parse(text);
  return { at, id, sequence, isHandled: status === 'handled', ...(reply !== undefined && { reply }) };
}
