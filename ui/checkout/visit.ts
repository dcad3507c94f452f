/**
 * What one visitor of the shop must know, kept in this tab over a reload: the order, and what grants access to its
 * transaction.
 */
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { apiKey } from '../shop/api-key.ts';
import { createOrder, openTransactionOf, settleOrder, ShopError, traceOrder } from '../shop/back-end.ts';
import type { Opened, Order } from '../shop/order.ts';
import { readStored, writeStored } from '../shop/stored.ts';
import type { FirstConnection } from '../shop/timeline.ts';

export type Slot = 'a' | 'b';

export interface Visit {
  /** The number of an order that was begun elsewhere, as long as the shop has not said what it is. */
  readonly joining?: string;
  readonly order?: Order;
  readonly opened?: Opened;
  readonly connection?: FirstConnection;
}

export interface VisitControl extends Visit {
  /** Why there is no transaction yet. */
  readonly problem: string | undefined;
  noteConnection(connection: FirstConnection): void;
  /** Ends this order and begins another one. */
  startOver(): void;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 10_000;
const MOST_TURNS = 8;

const keyOf = (slot: Slot): string => `ringback.demo.visit.${slot}`;

/** Takes over an order that was begun elsewhere; what this tab knew of another one is dropped. */
export function joinOrder(slot: Slot, order: string): void {
  if (readStored<Visit>(keyOf(slot))?.order?.order === order) return;
  writeStored(keyOf(slot), { joining: order } satisfies Visit);
}

export function leave(slot: Slot): void {
  writeStored(keyOf(slot), undefined);
}

/** Makes what is missing, one step after the other: an order, then its transaction. */
export function useVisit(slot: Slot): VisitControl {
  const [visit, setVisit] = useState<Visit>(() => readStored<Visit>(keyOf(slot)) ?? {});
  const [problem, setProblem] = useState<string>();
  const keyIsWanted = useSyncExternalStore(apiKey.subscribe, apiKey.isWanted);

  const { joining, order, opened } = visit;

  useEffect(() => writeStored(keyOf(slot), visit), [slot, visit]);

  useEffect(() => {
    if (opened !== undefined || keyIsWanted) return undefined;
    const leaving = new AbortController();
    const made = (next: Visit): void => {
      setProblem(undefined);
      setVisit(next);
    };
    void persist(leaving.signal, setProblem, async () => {
      if (order !== undefined) made({ order, opened: await openTransactionOf(order.order, leaving.signal) });
      else made({ order: (await joinedOrder(joining, leaving.signal)) ?? (await differentOrder(slot, leaving.signal)) });
    });
    return () => leaving.abort();
  }, [slot, joining, order, opened, keyIsWanted]);

  const noteConnection = useCallback(
    (connection: FirstConnection) => setVisit((now) => (now.connection === undefined ? { ...now, connection } : now)),
    [],
  );
  const startOver = useCallback(() => {
    // Only tidy: nobody waits for it, and the order ends by itself in time.
    if (order !== undefined && opened !== undefined) settleOrder(order.order).catch(() => undefined);
    setVisit({});
  }, [order, opened]);

  return { ...visit, problem, noteConnection, startOver };
}

/** Undefined: none is to be joined, or the shop does not know it, which is no reason to show nothing. */
async function joinedOrder(number: string | undefined, signal: AbortSignal): Promise<Order | undefined> {
  if (number === undefined) return undefined;
  try {
    const { order, item, amount, currency } = await traceOrder(number, signal);
    return { order, item, amount, currency };
  } catch (error) {
    if (error instanceof ShopError && error.status === 404) return undefined;
    throw error;
  }
}

/** Two visitors beside each other are told apart at a glance when they buy different things. */
async function differentOrder(slot: Slot, signal: AbortSignal): Promise<Order> {
  const other = readStored<Visit>(keyOf(slot === 'a' ? 'b' : 'a'))?.order?.item.name;
  let order = await createOrder(signal);
  for (let turn = 0; turn < MOST_TURNS && order.item.name === other; turn += 1) order = await createOrder(signal);
  return order;
}

/** Tries until it works, it cannot, or nobody wants it any more. */
async function persist(signal: AbortSignal, tell: (problem: string) => void, attempt: () => Promise<void>): Promise<void> {
  for (let delayMs = FIRST_RETRY_MS; !signal.aborted; delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) return;
      tell(error instanceof Error ? error.message : 'Something went wrong.');
      if (!(error instanceof ShopError && error.isPassing)) return;
      await pause(delayMs, signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
