/**
 * What was seen from outside in one run: what senders asked and were answered, what handlers of pages were called with, what the
 * API says at the end, and how the instances fared. Only notes; what it means is the checker's.
 *
 * All instants are those of one clock, in milliseconds.
 */

export const sendKinds = ['message', 'callback', 'webhook'] as const;
export type SendKind = (typeof sendKinds)[number];

export interface AnswerNote {
  readonly at: number;
  /** As the answer said; those to callbacks and webhooks say neither. */
  readonly id?: string;
  readonly sequence?: number;
  /** `Prefer: wait`, and the page had handled it. */
  readonly isHandled: boolean;
  readonly reply?: unknown;
}

/** Everything that was sent with one idempotency key. */
export interface SendNote {
  /** Unique in the run. The data of the message is `{ key }`. */
  readonly key: string;
  readonly kind: SendKind;
  readonly answers: AnswerNote[];
  /** A status that no sender should get. */
  refusal?: string;
  /** Raced with the end of its transaction, where its answer promises nothing. */
  readonly isLate: boolean;
  requests: number;
}

/** One call of the page's handler. */
export interface CallNote {
  readonly id: string;
  readonly sequence: number;
  readonly key: unknown;
  readonly at: number;
  outcome: 'runs' | 'handled' | 'failed';
  /** When the handler was done with it. */
  doneAt?: number;
}

/** One tab, over all pages in it. */
export interface TabNote {
  readonly name: string;
  readonly calls: CallNote[];
  /** At the end of its visit. */
  state?: string;
  loads: number;
}

export const endings = ['settled', 'forgotten', 'revoked', 'open'] as const;
export type Ending = (typeof endings)[number];

export interface MessageNote {
  readonly id: string;
  readonly sequence: number;
  readonly key: unknown;
}

export interface ReceiptNote {
  readonly id: string;
  readonly status: string;
  readonly reply?: unknown;
  readonly storedAt: string;
  readonly deliveredAt?: string;
  readonly handledAt?: string;
}

/** One transaction from before its opening to its end. */
export interface VisitNote {
  /** Its reference. */
  readonly name: string;
  transactionId?: string;
  /** How it was to end. */
  readonly ending: Ending;
  readonly sends: SendNote[];
  readonly tabs: TabNote[];
  /** What the API says at the end; absent where nothing may be left. */
  log?: readonly MessageNote[];
  receipts?: readonly ReceiptNote[];
  /** An instance died, or was away, so shortly before that receipts of its pages may be lost with it. */
  mayLackReceipts?: boolean;
  /** What took long to become so, while things went wrong. */
  readonly late: string[];
  /** What did not become so, though all was well again. */
  readonly delays: string[];
}

export interface InstanceNote {
  readonly name: string;
  /** Ends that nobody asked for. */
  readonly crashes: string[];
  /** Lines of its log at the level `error`. */
  readonly errors: string[];
}

export interface History {
  readonly visits: VisitNote[];
  readonly instances: InstanceNote[];
  /** Rows that dead instances have left in the database longer than they may. */
  readonly leftovers: string[];
}

export function emptyHistory(): History {
  return { visits: [], instances: [], leftovers: [] };
}
