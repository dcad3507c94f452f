/**
 * Signed webhooks for orders, whose transactions are opened late or not before the next server: a provider that repeats what
 * was not answered. It remembers what was answered, and can tell whether a server has it, once.
 */
import assert from 'node:assert/strict';
import type { WireOpened } from '../../src/server/wire.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import { newSecret, signedBy } from '../webhooks/provider.ts';

/** What one order was told, whether or not it has its transaction. */
interface Order {
  readonly reference: string;
  readonly answered: Set<string>;
  /** Sent, never answered, and not repeated: there once, or not at all. */
  readonly abandoned: Set<string>;
  unanswered: string[];
  transaction: WireOpened | undefined;
}

export class Orders {
  readonly #backEnd: BackEnd;
  readonly #secret: string;
  readonly #orders: Order[] = [];
  #sent = 0;

  constructor(backEnd: BackEnd, secret: string) {
    this.#backEnd = backEnd;
    this.#secret = secret;
    this.#next();
  }

  /** The configuration that a server needs to know the provider, and the secret of both. */
  static configuration(): { readonly secret: string; readonly json: string } {
    const secret = newSecret();
    const acme = { preset: 'standard-webhooks', secrets: [secret], transaction: '/data/reference', type: '/type' };
    return { secret, json: JSON.stringify({ webhooks: { acme } }) };
  }

  get answered(): number {
    return this.#orders.reduce((sum, { answered }) => sum + answered.size, 0);
  }

  /** For the order that waits for its transaction and the one before, in turn, until the server is no more. */
  async sendUntilDeath(): Promise<void> {
    for (;;) {
      const order = this.#orders.at(-1 - (this.#sent % Math.min(2, this.#orders.length)));
      assert.ok(order);
      if (!(await this.#sendOne(order, `event-${++this.#sent}`))) return;
    }
  }

  /** On a server just started on the file of one that died. Then the next order begins. */
  async verify(): Promise<void> {
    const present = this.#orders.at(-1);
    assert.ok(present);
    for (const order of this.#orders.slice(-2)) await this.#repeat(order);
    present.transaction = await this.#backEnd.open({ reference: present.reference });
    for (const order of this.#orders.slice(-2)) await this.#verifyLog(order);
    this.#next();
  }

  #next(): void {
    const reference = `order-${this.#orders.length + 1}`;
    this.#orders.push({ reference, answered: new Set(), abandoned: new Set(), unanswered: [], transaction: undefined });
  }

  /** Whether it was answered. */
  async #sendOne(order: Order, id: string): Promise<boolean> {
    const body = JSON.stringify({ type: 'paid', data: { reference: order.reference, id } });
    const headers = signedBy(this.#secret, { id, at: Date.now(), body });
    const answer = await this.#backEnd.call('POST', '/webhooks/acme', { headers, raw: body }).catch(() => undefined);
    if (answer?.status === 200) order.answered.add(id);
    else {
      // A server that drains says so.
      assert.ok(answer === undefined || answer.status === 503, answer?.text);
      order.unanswered.push(id);
    }
    return answer?.status === 200;
  }

  /** Every other one is sent again, and some that were answered are too. */
  async #repeat(order: Order): Promise<void> {
    const ids = order.unanswered;
    order.unanswered = [];
    for (const [index, id] of ids.entries()) {
      if (index % 2 === 1) order.abandoned.add(id);
      else assert.ok(await this.#sendOne(order, id), 'a repeated webhook is answered');
    }
    for (const id of [...order.answered].slice(-2)) assert.ok(await this.#sendOne(order, id));
  }

  async #verifyLog({ reference, answered, abandoned, transaction }: Order): Promise<void> {
    assert.ok(transaction);
    const { messages, lastSequence } = await this.#backEnd.messages(transaction.id, 0, 1_000);
    assert.equal(messages.length, lastSequence, `${reference} fits into one page`);
    const ids = messages.map(({ data }) => String(Object(data).id));
    assert.equal(new Set(ids).size, ids.length, `${reference} has nothing twice`);
    for (const id of answered) assert.ok(ids.includes(id), `${id} was answered, and is there`);
    for (const id of ids) assert.ok(answered.has(id) || abandoned.has(id), `${id} was sent to ${reference}`);
  }
}
