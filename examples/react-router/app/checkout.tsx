/** The order's page: its loader opens the transaction on the server, the component waits in the browser. */
import type { ReactNode } from 'react';
import { createCookie, data, useLoaderData, type LoaderFunctionArgs } from 'react-router';
import { useTransaction, type OpenedTransaction } from 'ringback/react';
import { ringbackContext } from './context.ts';

interface Order extends OpenedTransaction {
  readonly reference: string;
}

/** The visitor's order, so that a reload waits for the same. Behind https, add `secure: true`. */
const cookie = createCookie('order', { httpOnly: true, sameSite: 'lax', path: '/', maxAge: 86_400 });

export async function loader({ request, context }: LoaderFunctionArgs) {
  const before: Order | null = await cookie.parse(request.headers.get('cookie'));
  if (before !== null) return data(before);
  const reference = `order-${crypto.randomUUID()}`;
  // All but the callback URL: who has that can send.
  const { id, accessToken, hubUrl } = await context.get(ringbackContext).open({ reference });
  const order: Order = { reference, id, accessToken, hubUrl };
  return data(order, { headers: { 'set-cookie': await cookie.serialize(order), 'cache-control': 'no-store' } });
}

export default function Checkout(): ReactNode {
  const order = useLoaderData<typeof loader>();
  const { latest } = useTransaction(order);
  const isPaid = latest('payment.succeeded') !== undefined;
  return <h1 role="status">{isPaid ? `${order.reference} is paid` : `Waiting for the payment of ${order.reference}`}</h1>;
}
