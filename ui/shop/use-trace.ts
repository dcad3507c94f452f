/** How far the messages of an order got, asked again for as long as something is still on its way. */
import { useEffect, useState } from 'react';
import { ShopError, traceOrder } from './back-end.ts';
import type { OrderTrace } from './order.ts';

/** Soon at first, since a page that is there takes milliseconds. */
const DELAYS_MS = [80, 200, 500, 1_000, 2_000];
const SLOWEST_MS = 2_000;

export interface TraceOptions {
  /** Asked at once when this changes. */
  readonly trigger: unknown;
  /** Whether to go on asking when nothing is on its way. */
  readonly follow: boolean;
}

/** Undefined: not known yet. Null: the shop has no such order. */
export function useTrace(order: string | undefined, { trigger, follow }: TraceOptions): OrderTrace | null | undefined {
  const [seen, setSeen] = useState<{ readonly order: string; readonly trace: OrderTrace | null }>();
  useEffect(() => {
    if (order === undefined) return undefined;
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (turn: number): Promise<void> => {
      const trace = await traceOrder(order, leaving.signal).catch(asAbsence);
      if (leaving.signal.aborted) return;
      if (trace !== undefined) setSeen({ order, trace });
      if (trace === null || (trace !== undefined && !follow && isSettled(trace))) return;
      timer = setTimeout(() => void ask(turn + 1), DELAYS_MS[turn] ?? SLOWEST_MS);
    };
    void ask(0);
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [order, trigger, follow]);
  return seen?.order === order ? seen?.trace : undefined;
}

function asAbsence(error: unknown): null | undefined {
  return error instanceof ShopError && error.status === 404 ? null : undefined;
}

function isSettled({ transaction, messages }: OrderTrace): boolean {
  if (transaction === null) return true;
  return messages.every(({ status }) => status === 'handled' || status === 'failed' || status === 'expired');
}
