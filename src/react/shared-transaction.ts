/**
 * The transactions that components of this page look at, each with the one connection that they share. Knows nothing of
 * React: components join and leave.
 */
import { openTransaction } from '../client/index.ts';
import type { Message, OpenedTransaction, Transaction, TransactionState } from '../client/index.ts';

/** What a component sees: a new object after each change, the same one between changes. */
export interface TransactionView {
  readonly state: TransactionState;
  /** Everything so far, in order, also from before a reload: what the page shows is a fold over them. */
  readonly messages: readonly Message[];
  /** The newest message of a type. The same function as long as `messages` is the same array. */
  readonly latest: (type: string) => Message | undefined;
}

/** One mounted component. */
export interface Member {
  onChange(): void;
  onMessage(message: Message): unknown;
}

/** Before anything is known. */
export const INITIAL: TransactionView = { state: 'connecting', messages: [], latest: () => undefined };

const shared = new Map<string, SharedTransaction>();

/**
 * Returns how to leave. If nobody is left at the end of the running task, the connection is closed.
 *
 * @throws what the client throws for a value that is no opened transaction; then nothing was joined
 */
export function joinTransaction(opened: OpenedTransaction, member: Member): () => void {
  const transaction = shared.get(opened.id) ?? new SharedTransaction(opened);
  return transaction.join(member);
}

/** What grants access from now on; heeded only for a transaction that somebody has joined. */
export function offerAccess(opened: OpenedTransaction): void {
  shared.get(opened.id)?.offer(opened);
}

export function viewOf(id: string | undefined): TransactionView {
  return (id === undefined ? undefined : shared.get(id)?.view) ?? INITIAL;
}

/** A message, and who is done with it: when it comes again, it is for the others only. */
interface Handled {
  readonly id: string;
  readonly replies: Map<Member, unknown>;
}

class SharedTransaction {
  readonly #members = new Set<Member>();
  /** Offered last; what is in use may be older. */
  #access: OpenedTransaction;
  #used: OpenedTransaction;
  #transaction: Transaction | undefined;
  #handled: Handled = { id: '', replies: new Map() };
  #view = INITIAL;

  constructor(opened: OpenedTransaction) {
    this.#access = this.#used = opened;
  }

  get view(): TransactionView {
    return this.#view;
  }

  join(member: Member): () => void {
    if (this.#transaction === undefined) this.#open();
    shared.set(this.#access.id, this);
    this.#members.add(member);
    return () => {
      this.#members.delete(member);
      // React's StrictMode mounts again within this task, and so does a page that takes the place of another one.
      queueMicrotask(() => this.#closeIfAlone());
    };
  }

  offer(opened: OpenedTransaction): void {
    this.#access = opened;
    if (this.#mayReturn()) this.#open();
  }

  #mayReturn(): boolean {
    return this.#transaction?.state === 'revoked' && this.#access.accessToken !== this.#used.accessToken;
  }

  #open(): void {
    this.#used = this.#access;
    const transaction = openTransaction(this.#used, { onMessage: (message) => this.#handle(message) });
    this.#transaction = transaction;
    transaction.subscribe(() => {
      if (this.#transaction === transaction) this.#show(transaction);
    });
    this.#show(transaction);
  }

  #show(transaction: Transaction): void {
    if (this.#mayReturn()) return this.#open();
    const { state } = transaction;
    const before = this.#view.messages;
    // What was shown already does not go away while another token reads it again.
    const messages = state === 'connecting' && transaction.messages.length < before.length ? before : transaction.messages;
    const latest = messages === before ? this.#view.latest : latestOf(messages);
    this.#view = { state, messages, latest };
    for (const { onChange } of this.#members) onChange();
  }

  /** A handler that still runs is waited for by the client, whoever joins next in this tab. */
  #closeIfAlone(): void {
    if (this.#members.size > 0 || this.#transaction === undefined) return;
    shared.delete(this.#access.id);
    void this.#transaction.close();
    this.#transaction = undefined;
  }

  #handle(message: Message): Promise<unknown> {
    if (this.#handled.id !== message.id) this.#handled = { id: message.id, replies: new Map() };
    return handleByAll([...this.#members], message, this.#handled.replies);
  }
}

/** Calls all in their order, at once; the reply is the first that is defined. Throws what the first failure threw. */
async function handleByAll(members: readonly Member[], message: Message, replies: Map<Member, unknown>): Promise<unknown> {
  const results = await Promise.allSettled(
    members.map(async (member) => {
      if (!replies.has(member)) replies.set(member, await member.onMessage(message));
    }),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return members.map((member) => replies.get(member)).find((reply) => reply !== undefined);
}

function latestOf(messages: readonly Message[]): (type: string) => Message | undefined {
  return (type) => messages.findLast((message) => message.type === type);
}
