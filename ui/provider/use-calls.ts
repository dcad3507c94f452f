/** What this provider has sent for an order, and what is to be sent later; both outlive a reload of the page. */
import { useCallback, useEffect, useState } from 'react';
import { sendEvents, ShopError } from '../shop/back-end.ts';
import type { EventKind, ProviderCall } from '../shop/order.ts';
import { readStored, writeStored } from '../shop/stored.ts';

export const LATE_SECONDS = 10;
/** As a provider does when the server is away. */
const RETRY_MS = 2_000;
const MOST_CALLS = 30;
const NOTHING: readonly LoggedCall[] = [];

export interface LoggedCall extends ProviderCall {
  readonly kind: EventKind;
  /** The same for all that one press of a button has sent. */
  readonly batch: string;
}

export interface Calls {
  /** Newest first. */
  readonly log: readonly LoggedCall[];
  readonly problem: string | undefined;
  /** The kind that is on its way at this moment. */
  readonly sending: EventKind | undefined;
  /** Seconds until the late one goes; undefined: none is planned. */
  readonly lateIn: number | undefined;
  send(kind: EventKind): void;
  sendLate(): void;
  cancelLate(): void;
}

const logKey = (order: string | undefined): string => `ringback.demo.calls.${order}`;
const lateKey = (order: string | undefined): string => `ringback.demo.late.${order}`;

export function useCalls(order: string | undefined): Calls {
  const [log, setLog] = useStored<readonly LoggedCall[]>(logKey(order), NOTHING);
  const [problem, setProblem] = useState<string>();
  const [sending, setSending] = useState<EventKind>();

  const deliver = useCallback(
    async (kind: EventKind): Promise<boolean> => {
      if (order === undefined) return true;
      setSending(kind);
      try {
        const calls = await sendEvents(order, kind);
        const batch = `${Date.now()} ${calls[0]?.headers['webhook-id']}`;
        setLog((before) => [...calls.map((call) => ({ ...call, kind, batch })).reverse(), ...before].slice(0, MOST_CALLS));
        setProblem(undefined);
        return calls.every(({ status }) => status > 0 && status < 500);
      } catch (error) {
        setProblem(error instanceof Error ? error.message : 'Something went wrong.');
        return !(error instanceof ShopError && error.isPassing);
      } finally {
        setSending(undefined);
      }
    },
    [order, setLog],
  );
  return { log, problem, sending, send: (kind) => void deliver(kind), ...useLate(order, deliver) };
}

/** @param deliver resolves to false where a real provider tries again */
function useLate(
  order: string | undefined,
  deliver: (kind: EventKind) => Promise<boolean>,
): Pick<Calls, 'lateIn' | 'sendLate' | 'cancelLate'> {
  const [dueAt, setDueAt] = useStored<number | null>(lateKey(order), null);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (dueAt === null) return undefined;
    const tick = async (): Promise<void> => {
      setNow(Date.now());
      if (Date.now() < dueAt) return;
      clearInterval(timer);
      const isDone = await deliver('success');
      setDueAt((planned) => (planned !== dueAt ? planned : isDone ? null : Date.now() + RETRY_MS));
    };
    const timer = setInterval(() => void tick(), 250);
    return () => clearInterval(timer);
  }, [dueAt, deliver, setDueAt]);
  return {
    lateIn: dueAt === null ? undefined : Math.max(0, Math.ceil((dueAt - now) / 1_000)),
    sendLate: () => {
      setNow(Date.now());
      setDueAt(() => Date.now() + LATE_SECONDS * 1_000);
    },
    cancelLate: () => setDueAt(() => null),
  };
}

/** A state that is in the tab's storage too; another key is another state. */
function useStored<Value>(key: string, initial: Value): [Value, (next: (before: Value) => Value) => void] {
  const [held, setHeld] = useState(() => ({ key, value: readStored<Value>(key) ?? initial }));
  const value = held.key === key ? held.value : (readStored<Value>(key) ?? initial);
  const set = useCallback(
    (next: (before: Value) => Value) => {
      setHeld((before) => {
        const made = next(before.key === key ? before.value : (readStored<Value>(key) ?? initial));
        writeStored(key, made);
        return { key, value: made };
      });
    },
    [key, initial],
  );
  return [value, set];
}
