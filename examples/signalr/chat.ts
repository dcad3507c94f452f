/** A chat: the contract of its hub and the clients, and the endpoint that the servers beside this file put into their apps. */
import { allowAnybody, createHub, Endpoint, method, text } from 'ringback/signalr';

export interface Chat {
  server: {
    say(line: string): void;
  };
  client: {
    said(line: string): void;
  };
}

const hub = createHub<Chat>({
  methods: {
    say: method({ parameters: [text], run: ({ clients }, line) => clients.all.send('said', line) }),
  },
});

export const endpoint = new Endpoint({ handler: hub, authenticate: allowAnybody });

export const port = Number(process.env['PORT'] ?? 3000);

export function tell(address: string | { readonly port: number } | null, scheme = 'http'): void {
  if (typeof address === 'object' && address !== null) console.log(`open ${scheme}://127.0.0.1:${address.port}/chat`);
}
