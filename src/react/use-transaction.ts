/** The hook: which transaction a component looks at, for as long as it is mounted. Connects in effects only. */
import { useCallback, useEffect, useInsertionEffect, useRef, useSyncExternalStore } from 'react';
import type { Message, OpenedTransaction } from '../client/index.ts';
import { INITIAL, joinTransaction, offerAccess, viewOf, type TransactionView } from './shared-transaction.ts';

export interface UseTransactionOptions {
  /**
   * For effects: called once per tab and message, in order, one at a time. May be async; what it returns is the reply to the
   * sender, and if it throws the message comes again. Always the one of the last render; a new one does not reconnect.
   */
  readonly onMessage?: ((message: Message) => unknown) | undefined;
}

/**
 * What has come for a transaction so far, again after each change. All components of a page that name the same id share one
 * connection, which ends when the last of them is unmounted.
 *
 * While the server renders, and for null or undefined: `connecting`, without messages, and nothing is opened.
 *
 * A new `accessToken` for the same id does not reconnect: it is kept, and used when the one in use is revoked.
 *
 * @param opened what opening the transaction answered; another id switches over
 */
export function useTransaction(
  opened: OpenedTransaction | null | undefined,
  { onMessage }: UseTransactionOptions = {},
): TransactionView {
  const id = opened?.id;
  const accessToken = opened?.accessToken;
  const hubUrl = opened?.hubUrl;

  const latest = useRef({ opened, onMessage });
  // Before any other effect: whoever subscribes or is called then finds what was rendered last.
  useInsertionEffect(() => {
    latest.current = { opened, onMessage };
  });

  const subscribe = useCallback(
    (onChange: () => void) => {
      const access = latest.current.opened;
      if (id === undefined || access?.id !== id) return nothing;
      return joinTransaction(access, { onChange, onMessage: (message) => latest.current.onMessage?.(message) });
    },
    [id],
  );
  const view = useSyncExternalStore(subscribe, () => viewOf(id), initial);

  useEffect(() => {
    if (id !== undefined && accessToken !== undefined && hubUrl !== undefined) offerAccess({ id, accessToken, hubUrl });
  }, [id, accessToken, hubUrl]);

  return view;
}

function initial(): TransactionView {
  return INITIAL;
}

function nothing(): void {}
