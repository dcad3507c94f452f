/** The page of the checkout: orders once a tab, then waits for the payment, over reloads too. */
import { openTransaction, type OpenedTransaction } from 'ringback/client';

interface Order extends OpenedTransaction {
  readonly reference: string;
}

async function order(): Promise<Order> {
  const before = sessionStorage.getItem('order');
  const answer = before ?? (await (await fetch('/orders', { method: 'POST' })).text());
  sessionStorage.setItem('order', answer);
  const ordered: Order = JSON.parse(answer);
  return ordered;
}

function show(text: string): void {
  document.querySelector('h1')?.replaceChildren(text);
}

const ordered = await order();
show(`Waiting for the payment of ${ordered.reference}`);
await openTransaction(ordered).waitFor('payment.succeeded');
show(`${ordered.reference} is paid`);
