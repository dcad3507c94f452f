/**
 * A shop's page that waits, as its own developer would write it, and with nothing but the client: it keeps what it was given in
 * its tab, shows everything so far, and counts what its handler did. The tests read it off `<body>`.
 */
import { openTransaction, type Message } from 'ringback/client';

const kept = async (key: string, make: () => string | Promise<string>): Promise<string> => {
  const value = sessionStorage.getItem(key) ?? (await make());
  sessionStorage.setItem(key, value);
  return value;
};

const opened = JSON.parse(await kept('opened', async () => (await fetch(`/opened${location.search}`)).text()));
/** Of this tab, over its reloads. */
const calls: string[] = JSON.parse(await kept('calls', () => '[]'));

/** Throws as often as the message says. */
function handle({ sequence, type, data }: Message): unknown {
  const refusals = Number(Object(data)['refusals'] ?? 0);
  calls.push(`${sequence} ${type}`);
  sessionStorage.setItem('calls', JSON.stringify(calls));
  show();
  if (calls.filter((call) => call === `${sequence} ${type}`).length <= refusals) throw new Error('not yet');
  return { calls: calls.length };
}

const transaction = openTransaction(opened, { onMessage: handle });

function show(): void {
  document.title = transaction.state;
  Object.assign(document.body.dataset, {
    id: transaction.id,
    state: transaction.state,
    messages: transaction.messages.map(({ sequence, type }) => `${sequence} ${type}`).join(', '),
    calls: calls.join(', '),
  });
  document.body.textContent = transaction.messages.map(({ type }) => type).join(' ');
}

transaction.subscribe(show);
show();

/** Whether the browser brought this very page back, instead of loading it. */
addEventListener('pageshow', (event) => (document.body.dataset['isRevived'] = String(event.persisted)));
