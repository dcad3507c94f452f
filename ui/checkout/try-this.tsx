/** What to try, to see what the chain withstands. */
import { Link2, RefreshCw, ServerOff, Split } from 'lucide-react';

const IDEAS = [
  { icon: RefreshCw, title: 'Reload while it waits', text: 'Or after it was paid: the page shows the same as before.' },
  {
    icon: ServerOff,
    title: 'Restart the server',
    text: 'Ctrl+C, send nothing for a while, then npm start again. The page comes back.',
  },
  {
    icon: Link2,
    title: 'Pay before the page',
    text: 'Make an order at the provider and send first. The webhook waits for its page.',
  },
  {
    icon: Split,
    title: 'Send it twice, or wrongly',
    text: 'A repeat is taken once, a forged one is refused, a late one undoes nothing.',
  },
] as const;

export function TryThis() {
  return (
    <section className="ideas" aria-labelledby="ideas">
      <h2 id="ideas">Try to break it</h2>
      <ul>
        {IDEAS.map(({ icon: Icon, title, text }) => (
          <li key={title}>
            <Icon aria-hidden />
            <div>
              <h3>{title}</h3>
              <p>{text}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
