/**
 * The doorbell port: tells every node that holds a reader of a transaction to look into the store again.
 *
 * A ring carries no payload and no promise: it may be lost, doubled, late or out of order, and whoever relies on it must
 * be right without it. What it saves is waiting.
 */
import type { StoredMessage } from '../store/store.ts';

/**
 * @param hint the message just committed, when the ring comes from this very node. Only a shortcut: a reader may use it if
 *   it is exactly the next one it waits for, and must read the store otherwise.
 */
export type RingListener = (hint?: StoredMessage) => void;

export interface Backplane extends AsyncDisposable {
  /**
   * Rings for a transaction on every node. Returns at once and never throws; a ring that cannot be sent is lost. Listeners
   * on this node have been called when it returns.
   */
  ring(transactionId: string, hint?: StoredMessage): void;
  /**
   * Calls the listener on every ring of the transaction from now on, until the returned function is called (any number of
   * times). A listener must not throw. Subscribing during a ring does not hear that ring.
   */
  subscribe(transactionId: string, listener: RingListener): () => void;
}
