/**
 * The doorbell port: tells every node that holds a reader of a transaction to look into the store again.
 *
 * A ring carries no payload and no promise: it may be lost, doubled, late or out of order, and whoever relies on it must
 * be right without it. What it saves is waiting.
 */
import type { StoredMessage } from '../store/store.ts';

/**
 * What a ring may say besides "look again".
 *
 * A message: the one just committed, when the ring comes from this very node. Only a shortcut: a reader may use it if it is
 * exactly the next one it waits for, and must read the store otherwise. `receipt`: nothing to read, but messages of the
 * transaction were handled or have failed, on whichever node; for who waits for that.
 */
export type News = StoredMessage | 'receipt';

export type RingListener = (news?: News) => void;

export interface Backplane extends AsyncDisposable {
  /**
   * Rings for a transaction on every node. Returns at once and never throws; a ring that cannot be sent is lost. Listeners
   * on this node have been called when it returns.
   */
  ring(transactionId: string, news?: News): void;
  /** Rings on this node alone: for who has found out in another way. */
  ringHere(transactionId: string): void;
  /**
   * Calls the listener on every ring of the transaction from now on, until the returned function is called (any number of
   * times). A listener must not throw. Subscribing during a ring does not hear that ring.
   *
   * Rings of other nodes may not come from the first moment on: when they do, the listener is rung once, so that it finds what
   * it has missed.
   */
  subscribe(transactionId: string, listener: RingListener): () => void;
  /**
   * The transactions that somebody on this node listens to, each once. May be iterated while they change: what comes or goes
   * meanwhile is in it or not.
   */
  subscribed(): Iterable<string>;
  isSubscribed(transactionId: string): boolean;
}
