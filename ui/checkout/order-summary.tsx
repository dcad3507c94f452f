/** What is being paid for. */
import { amountText, type Order } from '../shop/order.ts';

export function OrderSummary({ order }: { readonly order: Order | undefined }) {
  return (
    <div className="order">
      <div className="order-line">
        <div>
          <p className="order-item">{order?.item.name ?? '…'}</p>
          <p className="order-detail">{order?.item.detail ?? 'Making your order'}</p>
        </div>
        <p className="order-amount">{order === undefined ? '' : amountText(order)}</p>
      </div>
    </div>
  );
}
