/** Plays the payment provider of one order, and shows what a sender sees. */
import { useState } from 'react';
import { ApiKeyForm } from '../parts/api-key-form.tsx';
import { Frame } from '../parts/frame.tsx';
import { createOrder } from '../shop/back-end.ts';
import { useTrace } from '../shop/use-trace.ts';
import { Actions } from './actions.tsx';
import { CallLog } from './call-log.tsx';
import { OrderBar } from './order-bar.tsx';
import { Receipts } from './receipts.tsx';
import { useCalls } from './use-calls.ts';

export function ProviderPage() {
  const [order, setOrder] = useState(() => new URLSearchParams(location.search).get('order') ?? undefined);
  const [problem, setProblem] = useState<string>();
  const calls = useCalls(order);
  const trace = useTrace(order, { trigger: calls.log.length, follow: true });

  const begin = async (): Promise<void> => {
    try {
      const made = await createOrder();
      history.pushState(null, '', `/provider?order=${made.order}`);
      setOrder(made.order);
      setProblem(undefined);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : 'Something went wrong.');
    }
  };

  return (
    <Frame page="provider">
      <header className="intro">
        <h1>Payment provider</h1>
        <p>Simulated: it signs a webhook and sends it to the server over HTTP, as a real provider does.</p>
      </header>
      <ApiKeyForm />
      <OrderBar order={order} trace={trace} onNew={() => void begin()} />
      <p className="alert" role="alert">
        {problem ?? calls.problem}
      </p>
      {order !== undefined && trace !== null && (
        <div className="desk">
          <Actions calls={calls} />
          <div className="desk-side">
            <Receipts trace={trace} log={calls.log} />
            <CallLog log={calls.log} />
          </div>
        </div>
      )}
    </Frame>
  );
}
