/** Starts the checkout; an order named in the address is taken over. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '../style/index.css';
import { CheckoutPage } from './checkout-page.tsx';
import { joinOrder } from './visit.ts';

const order = new URLSearchParams(location.search).get('order');
if (order !== null) {
  joinOrder('a', order);
  history.replaceState(null, '', location.pathname);
}

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no element "root"');
createRoot(root).render(
  <StrictMode>
    <CheckoutPage />
  </StrictMode>,
);
