/**
 * What the compiler must refuse, and what it must not: each `@ts-expect-error` that finds no error is one.
 */
import { HubConnectionBuilder, Subject } from '@microsoft/signalr';
import { createHub, flag, int, method, optional, text, type TypedConnection, upload } from '../../src/signalr/index.ts';

interface Line {
  readonly from: string;
  readonly text: string;
}

interface Chat {
  server: {
    join(room: string): void;
    say(room: string, text: string): number;
    history(room: string): Promise<Line[]>;
    count(to: number): AsyncIterable<number>;
    ping(): string;
    total(scale: number, numbers: AsyncIterable<number>): number;
    echo(texts: AsyncIterable<string>): AsyncIterable<string>;
  };
  client: {
    said(room: string, line: Line): void;
    confirm(question: string): boolean;
  };
}

interface User {
  readonly name: string;
}

export const hub = createHub<Chat, User, { rooms: number }>({
  userOf: ({ principal }) => principal.name,
  onConnected: ({ clients }) => clients.caller.send('said', 'hall', { from: 'hub', text: 'hello' }),
  methods: {
    join: method({
      parameters: [text],
      authorize: ({ connection }) => connection.principal.name !== '',
      async run({ connection, groups }, room) {
        connection.items = { rooms: (connection.items?.rooms ?? 0) + 1 };
        await groups.add(connection.id, room.trim());
      },
    }),
    say: method({
      parameters: [text, text],
      async run({ clients, connection }, room, line) {
        await clients.group(room).send('said', room, { from: connection.principal.name, text: line.trim() });
        // @ts-expect-error there is no such method at a client
        await clients.all.send('sad', room);
        // @ts-expect-error it takes a line
        await clients.all.send('said', room, line);
        const isSure: boolean = await clients.caller.invoke('confirm', ['sure?']);
        return Number(isSure);
      },
    }),
    history: async (_context, room) => [{ from: String(room), text: '' }],
    async *count(_context, to) {
      for (let n = 0; n < Number(to); n++) yield n;
    },
    ping: ({ connection }) => connection.principal.name,
    total: method({
      parameters: [int, upload(int)],
      async run(_context, scale, numbers) {
        let sum = 0;
        for await (const n of numbers) sum += n.valueOf();
        return sum * scale;
      },
    }),
    echo: method({
      parameters: [upload(text)],
      async *run(_context, texts) {
        for await (const each of texts) yield each.trim();
      },
    }),
  },
});

/** What every hub of this contract needs and is not looked at again below. */
const rest = {
  total: method({ parameters: [int, upload(int)], run: () => 0 }),
  echo: method({ parameters: [upload(text)], streaming: true, run: () => [''] }),
} as const;

createHub<Chat>({
  // @ts-expect-error ping is missing
  methods: {
    join: () => undefined,
    say: () => 1,
    history: () => [],
    count: function* () {},
    ...rest,
  },
});

createHub<Chat>({
  methods: {
    // @ts-expect-error the argument is unknown until a parameter has looked at it
    join: (_context, room: string) => void room,
    // @ts-expect-error a number is promised
    say: () => 'one',
    // @ts-expect-error lines are promised
    history: method({ parameters: [text], run: () => [1] }),
    // @ts-expect-error a stream is promised
    count: () => 1,
    // @ts-expect-error a text is promised
    ping: async () => 1,
    // @ts-expect-error uploads must be declared
    total: (_context, _scale, _numbers) => 0,
    // @ts-expect-error texts are uploaded
    echo: method({ parameters: [upload(int)], streaming: true, run: () => [''] }),
  },
});

createHub<{ server: { ping(): string }; client: object }>({
  methods: {
    ping: () => '',
    // @ts-expect-error not in the contract
    pong: () => '',
  },
});

createHub<Chat>({
  methods: {
    ...rest,
    // @ts-expect-error it gets a text
    join: method({ parameters: [int], run: () => undefined }),
    // @ts-expect-error it gets two
    say: method({ parameters: [text, text, text], run: () => 1 }),
    history: method({ parameters: [text], run: () => [] }),
    // @ts-expect-error a stream of numbers is promised
    async *count() {
      yield '';
    },
    // @ts-expect-error no stream is promised
    *ping() {
      yield '';
    },
  },
});

export async function page(): Promise<void> {
  const connection: TypedConnection<Chat> = new HubConnectionBuilder().withUrl('/chat').build();
  connection.on('said', (_room, { from }) => from.length);
  connection.on('confirm', (question) => question === 'sure?');
  connection.on('confirm', async () => true);
  connection.off('said');
  // @ts-expect-error the hub calls no such method
  connection.on('sad', () => undefined);
  // @ts-expect-error it gets a text
  connection.on('said', (room: number) => room);
  // @ts-expect-error an answer is expected
  connection.on('confirm', () => undefined);
  await connection.start();
  const count: number = await connection.invoke('say', 'hall', 'hello');
  const lines: Line[] = await connection.invoke('history', 'hall');
  await connection.send('join', 'hall');
  connection.stream('count', count).subscribe({ next: (n) => n.toFixed(), error: () => undefined, complete: () => undefined });
  // @ts-expect-error no such method
  await connection.invoke('shout', 'hall');
  // @ts-expect-error it takes two texts
  await connection.invoke('say', 'hall');
  // @ts-expect-error a number comes back
  const wrong: string = await connection.invoke('say', 'hall', 'hello');
  // @ts-expect-error a stream is not invoked
  await connection.invoke('count', 3);
  // @ts-expect-error this is no stream
  connection.stream('say', 'hall', 'hello');
  const numbers = new Subject<number>();
  const total: number = await connection.invoke('total', 2, numbers);
  connection
    .stream('echo', new Subject<string>())
    .subscribe({ next: (s) => s.trim(), error: () => undefined, complete: () => undefined });
  // @ts-expect-error numbers are uploaded
  await connection.send('total', 2, new Subject<string>());
  void [lines, wrong, total];
}

export async function elsewhere(): Promise<void> {
  await hub.clients.user('ada').send('said', 'hall', { from: 'a webhook', text: '!' });
  // @ts-expect-error a line has a text
  await hub.clients.user('ada').send('said', 'hall', { from: 'a webhook' });
  const isSure: boolean = await hub.clients.client('id').invoke('confirm', ['sure?'], { timeoutMs: 1000 });
  void isSure;
}

/** Arguments that may be left out, and as many as one likes. */
interface Loose {
  server: {
    say(line: string, loud?: boolean): void;
    log(level: string, ...parts: string[]): void;
    done(): Promise<void>;
  };
  client: {
    said(line: string, loud?: boolean): void;
    many(...numbers: number[]): void;
  };
}

const quiet = { log: (_context: unknown, level: unknown, ...parts: unknown[]) => void [level, parts], done: async () => {} };

export const loose = createHub<Loose>({
  methods: {
    ...quiet,
    say: method({
      parameters: [text, optional(flag)],
      async run({ clients }, line, loud) {
        // @ts-expect-error it may not be there
        loud.valueOf();
        await clients.all.send('said', loud === true ? line.toUpperCase() : line);
        await clients.all.send('said', line, true);
        await clients.all.send('many', 1, 2, 3);
        // @ts-expect-error they are numbers
        await clients.all.send('many', 1, 'two');
      },
    }),
  },
});

createHub<Loose>({
  methods: {
    ...quiet,
    // @ts-expect-error clients may leave the second out
    say: method({ parameters: [text, flag], run: () => undefined }),
  },
});

export async function loosely(): Promise<void> {
  const connection: TypedConnection<Loose> = new HubConnectionBuilder().withUrl('/loose').build();
  connection.on('said', (line, loud) => line.length > Number(loud ?? false));
  connection.on('many', (...numbers) => numbers.length);
  await connection.invoke('say', 'hello');
  await connection.invoke('say', 'hello', true);
  // @ts-expect-error it is a flag
  await connection.invoke('say', 'hello', 'loud');
  await connection.send('log', 'info', 'a', 'b', 'c');
  // @ts-expect-error they are texts
  await connection.send('log', 'info', 1);
  return await connection.invoke('done');
}
