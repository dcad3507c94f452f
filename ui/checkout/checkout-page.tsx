/** The shop's checkout: one visitor, or two beside each other to see that nothing crosses. */
import { ArrowUpRight, Columns2, X } from 'lucide-react';
import { useState } from 'react';
import { ApiKeyForm } from '../parts/api-key-form.tsx';
import { Frame } from '../parts/frame.tsx';
import { HowItWorks } from '../parts/how-it-works.tsx';
import { readStored, writeStored } from '../shop/stored.ts';
import { TryThis } from './try-this.tsx';
import { leave } from './visit.ts';
import { Visitor } from './visitor.tsx';

const BESIDE = 'ringback.demo.beside';

export function CheckoutPage() {
  const [hasTwo, setHasTwo] = useState(() => readStored<boolean>(BESIDE) === true);
  const toggle = (): void => {
    if (hasTwo) leave('b');
    writeStored(BESIDE, !hasTwo);
    setHasTwo(!hasTwo);
  };
  return (
    <Frame page="checkout">
      <header className="intro">
        <h1>A checkout that hears back</h1>
        <p>The payment is confirmed by a webhook. This page waits for it, and changes by itself.</p>
      </header>
      <ApiKeyForm />
      <div className="visitors" data-count={hasTwo ? 2 : 1}>
        <Visitor slot="a" isAlone={!hasTwo} />
        {hasTwo && <Visitor slot="b" isAlone={false} />}
      </div>
      <div className="beside">
        <p>
          {hasTwo
            ? 'Two visitors, two transactions, two connections. Pay for one: the other one hears nothing of it.'
            : 'Every visitor has a transaction of their own. See that nothing crosses:'}
        </p>
        <div className="buttons">
          <button type="button" className="button" onClick={toggle} aria-pressed={hasTwo} data-testid="second-visitor">
            {hasTwo ? <X aria-hidden /> : <Columns2 aria-hidden />}
            {hasTwo ? 'Close the second visitor' : 'Open a second visitor beside it'}
          </button>
          <a className="button" href="/" target="_blank" rel="noopener" data-testid="new-tab">
            <ArrowUpRight aria-hidden />
            Another visitor in a new tab
          </a>
        </div>
      </div>
      <HowItWorks />
      <TryThis />
    </Frame>
  );
}
