/** One visitor: the order, what has become of its payment, and the chain that told this page of it. */
import type { Message } from 'ringback/client';
import { useTransaction } from 'ringback/react';
import { useEffect, useMemo } from 'react';
import { paymentOf } from '../shop/payment.ts';
import { stepsOf, wayOf } from '../shop/timeline.ts';
import { useTrace } from '../shop/use-trace.ts';
import { ConnectionBadge } from './connection-badge.tsx';
import { OrderFacts } from './order-facts.tsx';
import { OrderSummary } from './order-summary.tsx';
import { OutcomePanel } from './outcome-panel.tsx';
import { Timeline } from './timeline.tsx';
import { useVisit, type Slot } from './visit.ts';
import { VisitActions } from './visit-actions.tsx';

export interface VisitorProps {
  readonly slot: Slot;
  readonly isAlone: boolean;
}

const NAMES: Readonly<Record<Slot, string>> = { a: 'Visitor A', b: 'Visitor B' };

/** The shop's reply to the sender, seen in the receipt. */
function handle({ type }: Message): { readonly shown: string } {
  return { shown: type };
}

export function Visitor({ slot, isAlone }: VisitorProps) {
  const { order, opened, connection, problem, noteConnection, startOver } = useVisit(slot);
  const atOwnOrigin = useMemo(() => opened && { ...opened, hubUrl: here(opened.hubUrl) }, [opened]);
  const { state, messages } = useTransaction(atOwnOrigin, { onMessage: handle });
  const trigger = `${opened?.id} ${state} ${messages.length}`;
  const follow = state === 'open' && connection === undefined;
  const trace = useTrace(opened && order?.order, { trigger, follow }) ?? undefined;
  const payment = paymentOf(messages);

  const seen = trace?.transaction?.connections[0];
  useEffect(() => {
    if (seen !== undefined) noteConnection({ at: seen.since, transport: seen.transport });
    else if (state === 'polling') noteConnection({ at: new Date().toISOString(), transport: 'Polling over HTTP' });
  }, [seen, state, noteConnection]);

  const name = NAMES[slot];
  return (
    <section className="visitor" data-slot={slot} data-testid={`visitor-${slot}`} aria-labelledby={`name-${slot}`}>
      <div className="card payment" data-outcome={payment.outcome}>
        <div className="card-head">
          <h2 id={`name-${slot}`}>{isAlone ? 'Your order' : name}</h2>
          <ConnectionBadge state={opened && state} />
        </div>
        <OrderSummary order={order} />
        <OutcomePanel
          order={order}
          payment={payment}
          state={opened && state}
          problem={problem}
          name={isAlone ? undefined : name}
        />
        <VisitActions order={order?.order} outcome={payment.outcome} state={state} onStartOver={startOver} />
        <OrderFacts order={order?.order} transactionId={opened?.id} />
      </div>
      <Timeline steps={stepsOf(trace, connection)} wayMs={wayOf(trace)} name={name} />
    </section>
  );
}

/** The server may be reached under several names; this page may connect to the one that it came from. */
function here(hubUrl: string): string {
  return new URL(new URL(hubUrl).pathname, location.origin).href;
}
