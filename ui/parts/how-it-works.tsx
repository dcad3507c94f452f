/** The chain in one glance. */
import { Bell, Database, KeyRound, MonitorCheck } from 'lucide-react';

const STEPS = [
  {
    icon: KeyRound,
    title: 'The shop opens a transaction',
    text: 'and gives this page a secret that receives its messages, and nothing else.',
  },
  { icon: Bell, title: 'The provider calls', text: 'with a signed webhook that names the order. The signature is checked.' },
  { icon: Database, title: 'Ringback stores it', text: 'on disk, and only then answers 200. If no page is there, it waits.' },
  {
    icon: MonitorCheck,
    title: 'This page gets it',
    text: 'over its own connection, shows it, and acknowledges. The sender sees “handled”.',
  },
] as const;

export function HowItWorks() {
  return (
    <section className="how" aria-labelledby="how">
      <h2 id="how">How it works</h2>
      <ol>
        {STEPS.map(({ icon: Icon, title, text }, i) => (
          <li key={title}>
            <span className="how-sign" aria-hidden>
              <Icon />
            </span>
            <h3>
              <span className="hidden-text">{i + 1}. </span>
              {title}
            </h3>
            <p>{text}</p>
          </li>
        ))}
      </ol>
    </section>
  );
}
