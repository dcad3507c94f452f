/** Starts the checkout; an order named in the address is taken over first. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '../style/index.css';
import { CheckoutPage } from './checkout-page.tsx';
import { joinOrder } from './visit.ts';

const order = new URLSearchParams(location.search).get('order');
if (order !== null) {
  // An order that the shop does not know is no reason to show nothing: a new one begins.
  await joinOrder('a', order).catch(() => undefined);
  history.replaceState(null, '', location.pathname);
}

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no element "root"');
createRoot(root).render(
  <StrictMode>
    <CheckoutPage />
  </StrictMode>,
);
