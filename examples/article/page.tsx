/** The article's page: sends its transaction id with the connection request, and shows what comes. */
import { HubConnectionBuilder } from '@microsoft/signalr';
import { useEffect, useState, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';

/** Never gives up, and spreads the pages of a server that is restarted. */
const reconnect = {
  nextRetryDelayInMilliseconds: ({ previousRetryCount }: { previousRetryCount: number }) =>
    Math.random() * Math.min(30_000, 1_000 * 2 ** previousRetryCount),
};

interface Message {
  readonly id: string;
  readonly sequence: number;
  readonly data: unknown;
}

function useMessages(transaction: string): { connected: boolean; messages: readonly Message[] } {
  const [connected, setConnected] = useState(false);
  const [messages, setMessages] = useState<readonly Message[]>([]);
  useEffect(() => {
    const connection = new HubConnectionBuilder()
      .withUrl(`/hub?transaction=${transaction}&after=0`) // after=0: everything so far, each time that it connects
      .withAutomaticReconnect(reconnect)
      .build();
    connection.on('message', (message: Message) => {
      setMessages((known) => (known.some(({ id }) => id === message.id) ? known : [...known, message]));
      connection.send('ack', message.sequence).catch(() => undefined); // lost: it comes again
    });
    connection.onreconnecting(() => setConnected(false));
    connection.onreconnected(() => setConnected(true));
    connection.start().then(() => setConnected(true), console.error);
    return () => void connection.stop();
  }, [transaction]);
  return { connected, messages };
}

function Page({ transaction }: { readonly transaction: string }): ReactNode {
  const { connected, messages } = useMessages(transaction);
  return (
    <>
      <h1>{connected ? 'Waiting' : 'Connecting'}</h1>
      <p>
        This page is transaction <code>{transaction}</code>.
      </p>
      <ol>
        {messages.map(({ id, data }) => (
          <li key={id}>{JSON.stringify(data)}</li>
        ))}
      </ol>
    </>
  );
}

const root = document.getElementById('root');
if (root?.dataset['transaction'] !== undefined) createRoot(root).render(<Page transaction={root.dataset['transaction']} />);
