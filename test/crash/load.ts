/**
 * A shop under load, seen from outside: senders that repeat what was not answered, and pages that keep their position and
 * ack. It remembers what it was promised, and can tell whether a server keeps the promises of the one before it.
 */
import assert from 'node:assert/strict';
import type { MessageView, SentView, WireOpened } from '../../src/server/wire.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import { Page } from '../fixtures/page.ts';

export type Transport = 'WebSockets' | 'LongPolling';

/** One browser tab: over all of its connections it wants each message once, in order. */
class Tab {
  readonly #transaction: WireOpened;
  readonly #transport: Transport;
  #page: Page | undefined;
  position = 0;
  /** Messages that it should not have got then. */
  readonly faults: string[] = [];

  constructor(transaction: WireOpened, transport: Transport) {
    this.#transaction = transaction;
    this.#transport = transport;
  }

  /** Connects from where it stands. Rejects when the server dies meanwhile. */
  async connect(): Promise<void> {
    const page = Page.create({
      hubUrl: this.#transaction.hubUrl,
      accessToken: this.#transaction.accessToken,
      transport: this.#transport,
      after: this.position,
      onMessage: (message, from) => this.#take(message, from),
    });
    this.#page = undefined;
    await page.connection.start();
    this.#page = page;
  }

  /** Waits until it has everything, and repeats the acks that may have been lost. */
  async catchUp(lastSequence: number): Promise<void> {
    const page = this.#page;
    assert.ok(page);
    if (this.position < lastSequence)
      await page.until((call) => call.name === 'message' && call.message.sequence === lastSequence);
    if (this.position > 0) await page.ack(this.position);
  }

  /** The end of its connection, which was not its own wish. */
  async ended(): Promise<void> {
    await this.#page?.ended();
  }

  async leave(): Promise<void> {
    await this.#page?.connection.stop();
  }

  #take({ sequence }: MessageView, page: Page): void {
    // The client would swallow what is thrown here.
    if (sequence !== this.position + 1) this.faults.push(`got ${sequence} where it stood at ${this.position}`);
    this.position = sequence;
    // A connection that dies takes its acks along.
    page.connection.send('ack', sequence).catch(() => undefined);
  }
}

interface Unanswered {
  readonly transaction: Mailbox;
  readonly key: string;
}

/** What one transaction was promised. */
interface Mailbox {
  readonly opened: WireOpened;
  readonly tabs: readonly Tab[];
  /** By idempotency key. */
  readonly answered: Map<string, SentView>;
  /** Sent, never answered, and not repeated: there once, or not at all. */
  readonly abandoned: Set<string>;
}

export class Shop {
  readonly #backEnd: BackEnd;
  readonly #mailboxes: readonly Mailbox[];
  #unanswered: Unanswered[] = [];
  #sent = 0;
  /** Repeated sends that had arrived, though nobody had said so, and that had not. */
  readonly repeated = { duplicate: 0, stored: 0 };

  private constructor(backEnd: BackEnd, mailboxes: readonly Mailbox[]) {
    this.#backEnd = backEnd;
    this.#mailboxes = mailboxes;
  }

  static async open(backEnd: BackEnd): Promise<Shop> {
    const kinds: readonly (readonly Transport[])[] = [['WebSockets'], ['WebSockets', 'LongPolling'], ['LongPolling']];
    const mailboxes: Mailbox[] = [];
    for (const transports of kinds) {
      const opened = await backEnd.open();
      const tabs = transports.map((transport) => new Tab(opened, transport));
      mailboxes.push({ opened, tabs, answered: new Map(), abandoned: new Set() });
    }
    return new Shop(backEnd, mailboxes);
  }

  get sent(): number {
    return this.#sent;
  }

  /** Each 202 so far. */
  get answered(): number {
    return this.#mailboxes.reduce((sum, { answered }) => sum + answered.size, 0);
  }

  /** Sends from several senders at once until the server is no more. */
  async sendUntilDeath(senders: number): Promise<void> {
    await Promise.all(Array.from({ length: senders }, (_, index) => this.#sendMany(index, Infinity)));
  }

  /** Sends one after the other, all of which are answered. */
  async send(count: number): Promise<void> {
    await this.#sendMany(0, count);
  }

  /** All tabs connect. Those whose server dies meanwhile do not. */
  async connect(): Promise<void> {
    await Promise.allSettled(this.#tabs.map((tab) => tab.connect()));
  }

  async disconnected(): Promise<void> {
    await Promise.all(this.#tabs.map((tab) => tab.ended()));
  }

  async leave(): Promise<void> {
    await Promise.all(this.#tabs.map((tab) => tab.leave()));
  }

  /** On a server just started on the file of one that died: everything that was promised is there, and goes on. */
  async verify(): Promise<void> {
    for (const mailbox of this.#mailboxes) {
      const { connections } = await this.#backEnd.transaction(mailbox.opened.id);
      assert.deepEqual(connections, [], 'connections of a dead process are gone');
    }
    await this.#repeat();
    for (const mailbox of this.#mailboxes) await this.#verifyLog(mailbox);
    await Promise.all(this.#tabs.map((tab) => tab.connect()));
    for (const mailbox of this.#mailboxes) await this.#verifyPages(mailbox);
  }

  get #tabs(): readonly Tab[] {
    return this.#mailboxes.flatMap(({ tabs }) => tabs);
  }

  async #sendMany(sender: number, count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const transaction = this.#mailboxes[(sender + index) % this.#mailboxes.length];
      assert.ok(transaction);
      const key = `key-${++this.#sent}`;
      if (!(await this.#sendOne({ transaction, key }))) return;
    }
  }

  /** Whether it was answered. */
  async #sendOne(letter: Unanswered): Promise<boolean> {
    const { transaction, key } = letter;
    const path = `/v1/transactions/${transaction.opened.id}/messages`;
    const options = { headers: { 'idempotency-key': key }, json: { type: 'note', data: { key } } };
    const answer = await this.#backEnd.call('POST', path, options).catch(() => undefined);
    if (answer?.status !== 202) {
      // A server that drains says so.
      assert.ok(answer === undefined || answer.status === 503, answer?.text);
      this.#unanswered.push(letter);
      return false;
    }
    const sent: SentView = JSON.parse(answer.text);
    transaction.answered.set(key, sent);
    return true;
  }

  /** Every other letter without an answer is sent again with its key; it does not matter whether it had arrived. */
  async #repeat(): Promise<void> {
    const letters = this.#unanswered;
    this.#unanswered = [];
    for (const [index, letter] of letters.entries()) {
      if (index % 2 === 1) letter.transaction.abandoned.add(letter.key);
      else {
        assert.ok(await this.#sendOne(letter), 'a repeated send is answered');
        this.repeated[letter.transaction.answered.get(letter.key)?.duplicate === true ? 'duplicate' : 'stored']++;
      }
    }
  }

  async #verifyLog({ opened, answered, abandoned }: Mailbox): Promise<void> {
    const log = await this.#readAll(opened.id);
    assert.deepEqual(
      log.map(({ sequence }) => sequence),
      log.map((_, index) => index + 1),
    );
    const byKey = new Map(log.map((message) => [keyOf(message), message]));
    assert.equal(byKey.size, log.length, 'no key is there twice');
    for (const [key, { id, sequence }] of answered) {
      const message = byKey.get(key);
      assert.deepEqual([message?.id, message?.sequence], [id, sequence], `${key} is where the answer said`);
    }
    for (const key of byKey.keys()) assert.ok(answered.has(key) || abandoned.has(key), `${key} was sent`);
  }

  async #verifyPages({ opened, tabs }: Mailbox): Promise<void> {
    const { lastSequence } = await this.#backEnd.transaction(opened.id);
    for (const tab of tabs) await tab.catchUp(lastSequence);
    for (const { position, faults } of tabs) assert.deepEqual([position, faults], [lastSequence, []]);
    const { ackedSequence } = await this.#backEnd.transaction(opened.id);
    assert.equal(ackedSequence, lastSequence, 'an ack repeated after attaching makes up for those that were lost');
    const last = (await this.#backEnd.messages(opened.id, Math.max(0, lastSequence - 3))).messages;
    for (const { id } of last) assert.equal((await this.#backEnd.receipt(opened.id, id)).status, 'handled');
  }

  async #readAll(id: string): Promise<readonly MessageView[]> {
    const messages: MessageView[] = [];
    for (;;) {
      const page = await this.#backEnd.messages(id, messages.length, 1_000);
      messages.push(...page.messages);
      if (messages.length >= page.lastSequence) return messages;
    }
  }
}

function keyOf({ data }: MessageView): string {
  return String(Object(data).key);
}
