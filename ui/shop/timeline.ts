/** The chain from the shop to the page and back, as steps in the order of their times, all by the server's clock. */
import type { OrderTrace, TracedMessage } from './order.ts';

export type StepKind = 'opened' | 'connected' | 'received' | 'delivered' | 'handled' | 'failed';

export interface Step {
  readonly key: string;
  readonly kind: StepKind;
  readonly text: string;
  readonly detail: string;
  /** Undefined: still to come. */
  readonly at?: string;
  /** Since the step before. */
  readonly gapMs?: number;
}

/** When this page was first seen connected; kept, since a connection's row goes with it. */
export interface FirstConnection {
  readonly at: string;
  readonly transport: string;
}

export function stepsOf(trace: OrderTrace | undefined, connection: FirstConnection | undefined): readonly Step[] {
  const { transaction = null, messages = [] } = trace ?? {};
  const done: Step[] = messages.flatMap(stepsOfMessage).filter(({ at }) => at !== undefined);
  const opened: Step = { key: 'opened', kind: 'opened', text: 'Transaction opened', detail: 'by the shop’s back end' };
  const connected: Step = {
    key: 'connected',
    kind: 'connected',
    text: 'Page connected',
    detail: connection?.transport ?? 'not yet',
  };
  if (transaction !== null) done.push({ ...opened, at: transaction.createdAt });
  if (connection !== undefined) done.push({ ...connected, at: connection.at });
  const toCome = [
    ...(transaction === null ? [opened] : []),
    ...(connection === undefined ? [connected] : []),
    ...(messages.length === 0 ? FIRST_MESSAGE : messages.flatMap(stepsOfMessage).filter(({ at }) => at === undefined)),
  ];
  return [...withGaps(done.sort(byTime)), ...toCome];
}

/** How long the newest handled message took from the provider's call to the page's answer. */
export function wayOf(trace: OrderTrace | undefined): number | undefined {
  const handled = trace?.messages.findLast(({ handledAt }) => handledAt !== undefined);
  return handled?.handledAt === undefined ? undefined : Date.parse(handled.handledAt) - Date.parse(handled.time);
}

const FIRST_MESSAGE: readonly Step[] = [
  { key: 'received', kind: 'received', text: 'Webhook received', detail: 'signature checked, then stored' },
  { key: 'delivered', kind: 'delivered', text: 'Delivered', detail: 'to this page only' },
  { key: 'handled', kind: 'handled', text: 'Handled', detail: 'the page has acknowledged it' },
];

function stepsOfMessage(message: TracedMessage): readonly Step[] {
  const { id, sequence, type, time, deliveredAt, handledAt, status, error } = message;
  const words: readonly (readonly [Omit<Step, 'key' | 'at'>, string | undefined])[] = [
    [{ kind: 'received', text: 'Webhook received', detail: type }, time],
    [{ kind: 'delivered', text: 'Delivered', detail: `message ${sequence}, to this page only` }, notBefore(time, deliveredAt)],
    status === 'failed'
      ? [{ kind: 'failed', text: 'Failed', detail: error ?? 'the page could not handle it' }, deliveredAt]
      : [{ kind: 'handled', text: 'Handled', detail: `message ${sequence}, acknowledged by the page` }, handledAt],
  ];
  return words.map(([step, at]) => ({ ...step, key: `${id} ${step.kind}`, ...(at !== undefined && { at }) }));
}

/** Deliveries of one moment are noted together, with the time of the first. */
function notBefore(time: string, instant: string | undefined): string | undefined {
  return instant === undefined || Date.parse(instant) >= Date.parse(time) ? instant : time;
}

const RANK: Readonly<Record<StepKind, number>> = { opened: 0, received: 1, connected: 2, delivered: 3, handled: 4, failed: 4 };

/** Within one millisecond, by what must come first. */
function byTime(a: Step, b: Step): number {
  return Date.parse(a.at ?? '') - Date.parse(b.at ?? '') || RANK[a.kind] - RANK[b.kind];
}

function withGaps(steps: readonly Step[]): readonly Step[] {
  return steps.map((step, i) => {
    const before = steps[i - 1]?.at;
    return before === undefined ? step : { ...step, gapMs: Date.parse(step.at ?? '') - Date.parse(before) };
  });
}
