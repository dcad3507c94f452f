/** What has become of the payment: waiting, and then the outcome. */
import type { TransactionState } from 'ringback/client';
import { useEffect } from 'react';
import { amountText, type Order } from '../shop/order.ts';
import type { Payment } from '../shop/payment.ts';
import { OutcomeMark, type MarkKind } from './outcome-mark.tsx';

export interface OutcomePanelProps {
  readonly order: Order | undefined;
  readonly payment: Payment;
  /** Undefined: there is no transaction yet. */
  readonly state: TransactionState | undefined;
  readonly problem: string | undefined;
  /** To tell two visitors apart when they are read aloud. */
  readonly name: string | undefined;
}

interface Told {
  readonly mark: MarkKind;
  readonly title: string;
  readonly text: string;
}

const ENDED: readonly TransactionState[] = ['settled', 'expired', 'forgotten', 'revoked'];

export function OutcomePanel(props: OutcomePanelProps) {
  const { mark, title, text } = told(props);
  useEffect(() => {
    if (props.name === undefined) document.title = `${title} · Ringback demo`;
  }, [props.name, title]);
  return (
    <div className="outcome" data-testid="outcome" data-outcome={mark}>
      <OutcomeMark kind={mark} />
      <div key={mark} className="outcome-words">
        <h3>{title}</h3>
        <p>{text}</p>
      </div>
      <p className="hidden-text" role="status">
        {mark === 'waiting' ? '' : `${props.name ?? 'Your order'}: ${title}. ${text}`}
      </p>
    </div>
  );
}

function told({ order, payment, state, problem }: OutcomePanelProps): Told {
  const amount = order === undefined ? '' : amountText(order);
  if (payment.outcome === 'paid') return { mark: 'paid', title: 'Paid', text: `We have received ${amount}. Thank you.` };
  if (payment.outcome === 'declined') {
    const reason = payment.reason === undefined ? '' : ` Reason: ${payment.reason}.`;
    return { mark: 'declined', title: 'Payment declined', text: `Nothing was charged.${reason}` };
  }
  if (problem !== undefined) return { mark: 'problem', title: 'Your order could not be opened', text: problem };
  if (state === undefined)
    return { mark: 'waiting', title: 'Preparing your order', text: 'One moment: its transaction is being opened.' };
  if (ENDED.includes(state)) {
    return { mark: 'ended', title: 'This order has ended', text: 'No more messages will come for it. You can start a new one.' };
  }
  if (payment.outcome === 'authorised') {
    return { mark: 'authorised', title: 'Payment authorised', text: `${amount} is reserved. Waiting for it to be captured.` };
  }
  return {
    mark: 'waiting',
    title: 'Waiting for your payment',
    text: 'Pay at the payment provider. You can reload or close this page meanwhile; nothing is lost.',
  };
}
