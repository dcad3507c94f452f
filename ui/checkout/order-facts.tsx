/** By which names the shop and Ringback know this order, and how to look at it from a second tab. */
import { CopyPlus } from 'lucide-react';

export interface OrderFactsProps {
  readonly order: string | undefined;
  readonly transactionId: string | undefined;
}

export function OrderFacts({ order, transactionId }: OrderFactsProps) {
  return (
    <div className="facts">
      <dl>
        <div>
          <dt>Order</dt>
          <dd data-testid="order-number">{order ?? '…'}</dd>
        </div>
        <div>
          <dt>Transaction</dt>
          <dd data-testid="transaction-id" title={transactionId}>
            {transactionId ?? '…'}
          </dd>
        </div>
      </dl>
      {order !== undefined && (
        <a className="button is-quiet" href={`/?order=${order}`} target="_blank" rel="noopener" data-testid="same-order-tab">
          <CopyPlus aria-hidden />
          This order in another tab
        </a>
      )}
    </div>
  );
}
