/** What every page of the demo has around it. */
import type { ReactNode } from 'react';

export type PageName = 'checkout' | 'provider';

const PAGES = [
  { name: 'checkout', href: '/', text: 'Checkout' },
  { name: 'provider', href: '/provider', text: 'Payment provider' },
] as const;

export interface FrameProps {
  readonly page: PageName;
  readonly children: ReactNode;
}

export function Frame({ page, children }: FrameProps) {
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="bar">
        <div className="bar-inside">
          <p className="brand">
            <Logo />
            Ringback <span>demo</span>
          </p>
          <nav aria-label="Pages of the demo">
            {PAGES.map(({ name, href, text }) => (
              <a key={name} href={href} aria-current={name === page ? 'page' : undefined}>
                {text}
              </a>
            ))}
          </nav>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <footer className="foot">
        <p>
          A demo. The shop and the provider are made up, and no money moves. The webhooks, signatures and connections are real.
        </p>
      </footer>
    </>
  );
}

function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden>
      <rect className="logo-ground" width="32" height="32" rx="8" />
      <path className="logo-line" d="M8.5 18.5a7.5 7.5 0 1 0 7.5-9" />
      <path className="logo-line" d="m19.4 5.9-3.8 3.7 3.8 3.7" />
      <circle className="logo-dot" cx="16" cy="17" r="2.6" />
    </svg>
  );
}
