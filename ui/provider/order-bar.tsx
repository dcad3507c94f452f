/** Which order this provider has to do with, and how to get another one or to its page. */
import { ArrowUpRight, Plus } from 'lucide-react';
import { amountText, type OrderTrace } from '../shop/order.ts';

export interface OrderBarProps {
  readonly order: string | undefined;
  readonly trace: OrderTrace | null | undefined;
  onNew(): void;
}

export function OrderBar({ order, trace, onNew }: OrderBarProps) {
  return (
    <section className="card order-bar" aria-labelledby="order-bar">
      <div className="order-bar-words">
        <h2 id="order-bar">{order === undefined ? 'Which order?' : `Order ${order}`}</h2>
        <p data-testid="order-words">{describe(order, trace)}</p>
      </div>
      <div className="buttons">
        {order !== undefined && trace !== null && (
          <a className="button" href={`/?order=${order}`} target="_blank" rel="noopener" data-testid="checkout-link">
            <ArrowUpRight aria-hidden />
            Open its checkout
          </a>
        )}
        <button
          type="button"
          className={order === undefined ? 'button is-primary' : 'button'}
          onClick={onNew}
          data-testid="new-order"
        >
          <Plus aria-hidden />
          New order without a page
        </button>
      </div>
    </section>
  );
}

function describe(order: string | undefined, trace: OrderTrace | null | undefined): string {
  if (order === undefined) return 'Open this page from a checkout, or make an order here and pay it before its page exists.';
  if (trace === undefined) return 'Asking the shop …';
  if (trace === null) return 'The shop has no order with this number.';
  const what = `${trace.item.name}, ${amountText(trace)}.`;
  if (trace.transaction === null) return `${what} No page has opened it yet.`;
  if (trace.transaction.state !== 'open') return `${what} The shop has closed it.`;
  const count = trace.transaction.connections.length;
  return `${what} ${count === 0 ? 'Its page is not connected now.' : `${count === 1 ? 'One page is' : `${count} pages are`} connected.`}`;
}
