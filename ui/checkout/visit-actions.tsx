/** What the visitor can do: pay, or begin again. */
import type { TransactionState } from 'ringback/client';
import { ArrowUpRight, RotateCcw } from 'lucide-react';
import type { Outcome } from '../shop/payment.ts';

export interface VisitActionsProps {
  readonly order: string | undefined;
  readonly outcome: Outcome;
  readonly state: TransactionState;
  onStartOver(): void;
}

export function VisitActions({ order, outcome, state, onStartOver }: VisitActionsProps) {
  const isOver = outcome === 'paid' || outcome === 'declined' || state === 'revoked' || state === 'forgotten';
  const query = order === undefined ? '' : `?order=${order}`;
  return (
    <div className="buttons">
      <a
        className={isOver ? 'button' : 'button is-primary'}
        href={`/provider${query}`}
        target="_blank"
        rel="noopener"
        data-testid="provider-link"
      >
        <ArrowUpRight aria-hidden />
        Open the payment provider
      </a>
      <button type="button" className={isOver ? 'button is-primary' : 'button'} onClick={onStartOver} data-testid="start-over">
        <RotateCcw aria-hidden />
        Start over
      </button>
    </div>
  );
}
