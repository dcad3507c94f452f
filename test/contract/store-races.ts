/**
 * The store contract on events that race: with the opening, the end and the removal of their transaction, and with
 * themselves. Whatever the order, it is as if one came after the other, and there is one message at most.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { OpenResult, ReceiveResult, Recipient, Store, TransactionState } from '../../src/store/store.ts';
import { event, message, stored, transaction } from './store-subject.ts';
import type { Start } from './store-subject.ts';

const ACTS = ['open', 'receive', 'receive again', 'settle', 'forget'] as const;
type Act = (typeof ACTS)[number];

/** In words, as one result of any act. */
type Outcome = string;

/** What one after the other would give; with the messages that are there in the end, if the transaction is. */
class Expectation {
  readonly #byReference: boolean;
  #state: TransactionState | 'none' = 'none';
  #isKnown = false;
  #isParked = false;
  #messages = 0;

  constructor(byReference: boolean) {
    this.#byReference = byReference;
  }

  /** Undefined: there is no transaction in the end. */
  get messages(): number | undefined {
    return this.#state === 'none' ? undefined : this.#messages;
  }

  get isParked(): boolean {
    return this.#isParked;
  }

  do(act: Act): Outcome {
    switch (act) {
      case 'open':
        this.#messages = this.#isParked ? 1 : 0;
        this.#isParked = false;
        this.#state = 'open';
        return 'opened';
      case 'settle':
        if (this.#state === 'open') this.#state = 'settled';
        return this.#state;
      case 'forget': {
        const had = this.#state !== 'none';
        this.#state = 'none';
        return String(had);
      }
      default:
        return this.#receive();
    }
  }

  #receive(): Outcome {
    if (this.#isKnown) return this.#state === 'open' ? 'duplicate for it' : 'duplicate';
    if (this.#state === 'none' && !this.#byReference) return 'unknown';
    this.#isKnown = true;
    this.#isParked = this.#state === 'none';
    if (this.#state === 'open') this.#messages += 1;
    if (this.#state === 'open') return 'stored 1';
    return this.#state === 'none' ? 'parked' : this.#state;
  }
}

function described(result: OpenResult | ReceiveResult | TransactionState | boolean | undefined): Outcome {
  if (typeof result !== 'object') return String(result ?? 'none');
  if ('message' in result) return `${result.outcome} ${result.message.sequence}`;
  return 'transactionId' in result ? `${result.outcome} for it` : result.outcome;
}

function permutations<T>(of: readonly T[]): readonly (readonly T[])[] {
  if (of.length < 2) return [of];
  return of.flatMap((each, index) => permutations(of.toSpliced(index, 1)).map((rest) => [each, ...rest]));
}

async function act(store: Store, id: string, { what, byReference }: { what: Act; byReference: boolean }): Promise<Outcome> {
  const recipient: Recipient = byReference ? { reference: `ref-${id}` } : { transactionId: id };
  switch (what) {
    case 'open':
      return described(await store.open(transaction(id, { reference: `ref-${id}` })));
    case 'settle':
      return described(await store.settle(id));
    case 'forget':
      return described(await store.forget(id));
    default:
      return described(await store.receive(event(id, recipient, { id: what })));
  }
}

export function raceContract(start: Start): void {
  const orders = permutations(ACTS);

  for (const byReference of [true, false]) {
    const name = byReference ? 'reference' : 'id';
    it(`gives one message of an event by ${name}, in any order with open, settle, forget and itself, all at once`, async () => {
      await using under = await start({ parkedMessages: 1_000 });
      const { store } = under;
      assert.equal(orders.length, 120);
      // So many acts of each order are asked for at once, and the rest when those are on their way.
      for (const together of [ACTS.length, 2, 3]) {
        const rounds = orders.map((order, index) => ({ order, id: `${name}-${together}-${index}` }));
        const asked = rounds.map(({ order, id }) =>
          order.slice(0, together).map((what) => act(store, id, { what, byReference })),
        );
        await new Promise((resolve) => setImmediate(resolve));
        for (const [index, { order, id }] of rounds.entries())
          asked[index]?.push(...order.slice(together).map((what) => act(store, id, { what, byReference })));
        for (const [index, { order, id }] of rounds.entries()) {
          const expected = new Expectation(byReference);
          const outcomes = order.map((what) => expected.do(what));
          assert.deepEqual(await Promise.all(asked[index] ?? []), outcomes, order.join());
          await assertLeft(store, id, expected);
        }
      }
    });
  }

  it('takes one of many that come at once, for an open transaction and for none', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a', { reference: 'r' }));
    for (const [reference, first] of [
      ['r', 'stored'],
      ['s', 'parked'],
    ] as const) {
      const calls = Array.from({ length: 50 }, (_, index) =>
        store.receive(event(reference, { reference }, { id: `${reference}${index}` })),
      );
      const outcomes = (await Promise.all(calls)).map(({ outcome }) => outcome);
      assert.deepEqual(outcomes, [first, ...Array.from({ length: 49 }, () => 'duplicate')]);
    }
    await store.open(transaction('b', { reference: 's' }));
    for (const id of ['a', 'b']) assert.equal((await store.read(id, { after: 0, limit: 9 }))?.messages.length, 1);
  });

  it('loses none of many events while transactions are opened under them', async () => {
    await using under = await start();
    const { store } = under;
    const references = Array.from({ length: 40 }, (_, index) => `r${index}`);
    const taken = new Map<string, string[]>(references.map((reference) => [reference, []]));
    const send = async (reference: string, name: string): Promise<void> => {
      const { outcome } = await store.receive(event(name, { reference }));
      assert.ok(outcome === 'parked' || outcome === 'stored', outcome);
      taken.get(reference)?.push(`message-${name}`);
    };
    await Promise.all(
      references.map(async (reference, index) => {
        for (let round = 0; round < 8; round += 1) {
          const sending = [send(reference, `${reference}.${round}a`), send(reference, `${reference}.${round}b`)];
          if (round === index % 8) sending.push(store.open(transaction(reference, { reference })).then(() => undefined));
          await Promise.all(sending);
        }
      }),
    );
    for (const reference of references) {
      const messages = (await store.read(reference, { after: 0, limit: 100 }))?.messages ?? assert.fail();
      assert.deepEqual(
        messages.map(({ id, sequence }) => [id, sequence]),
        taken.get(reference)?.map((id, index) => [id, index + 1]),
      );
      assert.equal(messages.length, 16);
    }
  });
}

/** One after the other, when everything was answered. */
async function assertLeft(store: Store, id: string, expected: Expectation): Promise<void> {
  const page = await store.read(id, { after: 0, limit: 9 });
  assert.equal(page?.messages.length, expected.messages, id);
  if (expected.messages !== undefined) {
    await store.forget(id);
    return;
  }
  await store.open(transaction(id, { reference: `ref-${id}` }));
  const { sequence } = stored(await store.append(message(id, 'next')));
  assert.equal(sequence, expected.isParked ? 2 : 1, `${id}: what was parked waits for the next`);
  await store.forget(id);
}
