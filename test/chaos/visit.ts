/** One visit of a shop, from what a provider says before it is known, to its end: what it is told, and what it sees. */
import { setTimeout } from 'node:timers/promises';
import type { MailboxPageView, MessageView, ReceiptView, TransactionView, WireOpened, WireToken } from '../../src/server/wire.ts';
import { endings } from './history.ts';
import type { Ending, MessageNote, VisitNote } from './history.ts';
import type { Requests } from './requests.ts';
import { Sends, type Address } from './sends.ts';
import { Tab } from './tab.ts';

const LOOK_EVERY_MS = 100;
const MOST_TO_READ = 1_000;
const MOST_PENDING = 3;

export interface Surroundings {
  readonly requests: Requests;
  /** Of the provider of the source `acme`. */
  readonly secret: string;
  /** URLs by which pages reach the hub: one for each kind of network. */
  readonly hubUrls: readonly string[];
  /** The most that is sent to one visit, and the longest pause before the next. */
  readonly mostSends: number;
  readonly longestPauseMs: number;
  /** How long a page may take to know what there is; of the time in which somebody is there who could tell it. */
  readonly patienceMs: number;
  /** Counts while somebody is there who has a database. */
  servedMs(): number;
  /** Since nothing goes wrong any more; 0 while something does. */
  calmMs(): number;
  /** Nothing more begins. */
  isOver(): boolean;
  /** Whether an instance died, or was away, after this instant. */
  hadTroubleSince(at: number): boolean;
}

export class Visit {
  readonly note: VisitNote;
  readonly #surroundings: Surroundings;
  readonly #random: () => number;
  readonly #sends: Sends;
  readonly #tabs: Tab[] = [];

  constructor(name: string, surroundings: Surroundings, random: () => number) {
    const { requests, secret } = surroundings;
    const chance = random();
    const ending: Ending = chance < 0.5 ? 'settled' : chance < 0.8 ? 'open' : chance < 0.9 ? 'forgotten' : 'revoked';
    this.note = { name, ending, sends: [], tabs: [], late: [], delays: [] };
    this.#surroundings = surroundings;
    this.#random = random;
    this.#sends = new Sends({ requests, random, name, secret, notes: this.note.sends });
  }

  async play(): Promise<void> {
    for (let early = Math.floor(this.#random() * 4); early > 0; early--) this.#sends.begin();
    // Opened while some of them are under way, or after.
    if (this.#random() < 0.5) await this.#sends.rest();
    const opened = await this.#open();
    this.note.transactionId = opened.id;
    try {
      this.#addTab(opened);
      await this.#live(opened);
      await this.#sends.rest();
      await this.#end(opened);
    } finally {
      for (const tab of this.#tabs) await tab.leave();
    }
  }

  async #live(opened: WireOpened): Promise<void> {
    const { mostSends, longestPauseMs, isOver } = this.#surroundings;
    const count = 2 + this.#random() * (mostSends - 2);
    for (let step = 0; step < count && !isOver(); step++) {
      await setTimeout(this.#random() * longestPauseMs);
      if (this.#random() < 0.1) await this.#tabs[Math.floor(this.#random() * this.#tabs.length)]?.load();
      if (this.#tabs.length === 1 && this.#random() < 0.05) this.#addTab(opened);
      if (this.#sends.pending < MOST_PENDING) this.#sends.begin();
    }
  }

  #addTab({ id, accessToken }: WireOpened): void {
    const { hubUrls } = this.#surroundings;
    const number = Math.floor(this.#random() * hubUrls.length);
    const hubUrl = hubUrls[number] ?? '';
    const tab = new Tab(`tab ${this.#tabs.length + 1}, network ${number}`, { id, accessToken, hubUrl }, this.#random);
    this.#tabs.push(tab);
    this.note.tabs.push(tab.note);
    void tab.load();
  }

  /** An opening that was not answered may have been done: then there is its reference. */
  async #open(): Promise<WireOpened> {
    const { requests } = this.#surroundings;
    const body = JSON.stringify({ reference: this.note.name });
    const told = await requests.insist({ method: 'POST', path: '/v1/transactions', body });
    if (told?.status === 201) return this.#address(JSON.parse(told.text));
    if (told?.status !== 409) throw new Error(`opening was answered ${told?.status} ${told?.text}`);
    const { transactions } = await requests.obtain<{ readonly transactions: readonly TransactionView[] }>(
      { method: 'GET', path: `/v1/transactions?reference=${this.note.name}` },
      200,
    );
    const [found] = transactions;
    if (found === undefined || transactions.length !== 1) throw new Error(`${this.note.name} is taken by none, or several`);
    const path = `/v1/transactions/${found.id}`;
    const token = await requests.obtain<WireToken>({ method: 'POST', path: `${path}/tokens` }, 201);
    const callback = await requests.obtain<Pick<WireOpened, 'callbackUrl' | 'callbackId'>>(
      { method: 'POST', path: `${path}/callbacks` },
      201,
    );
    return this.#address({ ...token, ...callback, id: found.id, expiresAt: found.expiresAt, hubUrl: '' });
  }

  #address(opened: WireOpened): WireOpened {
    const address: Address = { transactionId: opened.id, callbackUrl: opened.callbackUrl ?? '' };
    this.#sends.address = address;
    return opened;
  }

  async #end({ id, tokenId }: WireOpened): Promise<void> {
    const { requests } = this.#surroundings;
    const path = `/v1/transactions/${id}`;
    const { ending } = this.note;
    if (ending !== 'open' && this.#random() < 0.3) this.#sends.begin({ isLate: true });
    if (ending === 'settled') await requests.obtain({ method: 'POST', path: `${path}/settle` }, 200);
    if (ending === 'revoked') await requests.obtain({ method: 'DELETE', path: `${path}/tokens/${tokenId}` }, 204, 404);
    // Done, or done before by one that was not answered.
    if (ending === 'forgotten') await requests.obtain({ method: 'DELETE', path }, 204, 404);
    await this.#sends.rest();
    if (ending === 'open' || ending === 'settled') await this.#seeAll(id, ending);
    else await this.#becomes(`the pages are ${ending}`, () => this.#tabs.every(({ state }) => isFinal(state)));
  }

  /** Every page is done with everything, and the API says so. */
  async #seeAll(id: string, ending: 'open' | 'settled'): Promise<void> {
    const log = await this.#readLog(id);
    this.note.log = log;
    const hasAll = (): boolean => this.#tabs.every((tab) => tab.handled >= log.length);
    await this.#becomes('the pages have all', hasAll);
    if (ending === 'settled')
      await this.#becomes('the pages know the end', () => this.#tabs.every(({ state }) => isFinal(state)));
    const seenAt = performance.now();
    await this.#becomes('the receipts say so', async () => {
      const { hadTroubleSince } = this.#surroundings;
      this.note.receipts = await this.#readReceipts(id, log);
      this.note.mayLackReceipts = hadTroubleSince(seenAt - 10_000);
      return (
        this.note.receipts.every(({ status }) => status === 'handled') || (ending === 'settled' && this.note.mayLackReceipts)
      );
    });
  }

  async #readLog(id: string): Promise<readonly MessageNote[]> {
    const path = `/v1/transactions/${id}/messages?limit=${MOST_TO_READ}`;
    const { messages } = await this.#surroundings.requests.obtain<MailboxPageView>({ method: 'GET', path }, 200);
    return messages.map(({ id: messageId, sequence, data }: MessageView) => ({ id: messageId, sequence, key: Object(data).key }));
  }

  #readReceipts(id: string, log: readonly MessageNote[]): Promise<readonly ReceiptView[]> {
    const { requests } = this.#surroundings;
    const pathOf = (message: MessageNote): string => `/v1/transactions/${id}/messages/${message.id}`;
    return Promise.all(log.map((message) => requests.obtain<ReceiptView>({ method: 'GET', path: pathOf(message) }, 200)));
  }

  /** In time, or late; what is not so long after all is well will never be, and is noted. */
  async #becomes(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const { servedMs, calmMs, patienceMs } = this.#surroundings;
    const begunMs = servedMs();
    let isLate = false;
    while (!(await isSo())) {
      if (Math.min(calmMs(), servedMs() - begunMs) > patienceMs) return void this.note.delays.push(await this.#story(what));
      if (!isLate && servedMs() - begunMs > patienceMs) {
        isLate = true;
        this.note.late.push(await this.#story(what));
      }
      await setTimeout(LOOK_EVERY_MS);
    }
  }

  /** How it stands, in the eyes of all. */
  async #story(what: string): Promise<string> {
    const path = `/v1/transactions/${this.note.transactionId}`;
    const told = await this.#surroundings.requests.ask({ method: 'GET', path });
    return [`${what}, at ${new Date().toISOString()}`, ...this.#tabs.map(storyOf), told?.text].join('; ');
  }
}

function isFinal(state: Tab['state']): boolean {
  return endings.some((ending) => ending === state && ending !== 'open');
}

function storyOf({ note, state, handled }: Tab): string {
  return `${note.name} is ${state}, has handled ${handled} in ${note.loads} pages`;
}
