/** What a page sees of `ringback/client`. Types only: they cost a page nothing. */

/** What `POST /v1/transactions` answered, as the page's own back end passed it on. More members do no harm. */
export interface OpenedTransaction {
  readonly id: string;
  readonly accessToken: string;
  readonly hubUrl: string;
}

/** One thing that happened. */
export interface Message {
  /** Unique within its transaction: the key for making an effect idempotent. */
  readonly id: string;
  /** 1, 2, 3 … without a gap. */
  readonly sequence: number;
  readonly type: string;
  readonly data: unknown;
  /** When it was committed. ISO 8601, UTC. */
  readonly time: string;
}

/**
 * `connecting`: not attached yet. `open`: everything so far is here, and what comes will be. `reconnecting`: the connection
 * was lost. `polling`: no connection can be had; messages are asked for instead. The others are final. `settled`, `expired`,
 * `forgotten`: the transaction is. `revoked`: the access token is no longer good. `closed`: by the page.
 */
export type TransactionState =
  | 'connecting'
  | 'open'
  | 'reconnecting'
  | 'polling'
  | 'settled'
  | 'expired'
  | 'forgotten'
  | 'revoked'
  | 'closed';

/** The part of `sessionStorage` that is used. */
export interface ClientStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface OpenTransactionOptions {
  /**
   * Called with each message, in order, one at a time, once per tab. What it resolves with is the reply to the sender; when
   * it throws, it is called again after 1, 2, 4 and 8 s, and then the message has failed. Without it every message counts as
   * handled when it comes.
   */
  readonly onMessage?: (message: Message) => unknown;
  /** Where the tab remembers what was handled. Default: `sessionStorage`; where there is none, memory. */
  readonly storage?: ClientStorage;
  /** Closes the transaction. */
  readonly signal?: AbortSignal;
}

export interface WaitOptions {
  /** Default: as long as it takes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Transaction extends AsyncIterable<Message> {
  readonly id: string;
  readonly state: TransactionState;
  /** Everything so far, in order, also from before a reload: a new array after each change, the same one between changes. */
  readonly messages: readonly Message[];
  /**
   * The first message of this type, at once if it has come already.
   * @throws DOMException TimeoutError after `timeoutMs`; the reason of `signal`; an Error when the transaction ends before
   */
  waitFor(type: string, options?: WaitOptions): Promise<Message>;
  /** Called after `state` or `messages` changed, until the returned function is called. */
  subscribe(listener: () => void): () => void;
  /** Ends the connection; no handler is called from now on. Resolves when nothing of it is left. */
  close(): Promise<void>;
}
