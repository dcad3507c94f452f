/**
 * What a client can do with a server, one feature each: what it does, and what is to come of it. Runs in Node and in browsers alike, so
 * it observes, and the test compares.
 */
import type { Client, Streamed } from './library.ts';
import type { How, Visit } from './visit.ts';

export interface Feature {
  /** Only where this holds. Default: everywhere. */
  isThere?(how: How): boolean;
  /** @returns what was seen, as JSON can tell it */
  see(visit: Visit): Promise<unknown>;
  /** What is to be seen. */
  readonly expected: unknown;
}

const text = 'ü€😀 "\\" \n\u2028';
const value = { a: [1, -2.5, { b: null, c: true }], ä: text, empty: {} };

/** The text of its error. */
async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    return `no error but ${JSON.stringify(await promise)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The arguments of the next call of this client method. */
function called(client: Client, target: string): Promise<unknown[]> {
  return new Promise((resolve) => client.on(target, (...args) => resolve(args)));
}

/** All items, and how it ended. */
function readAll(streamed: Streamed): Promise<unknown[]> {
  return new Promise((resolve) => {
    const items: unknown[] = [];
    streamed.subscribe({
      next: (item) => void items.push(item),
      complete: () => resolve([...items, 'complete']),
      error: (error) => resolve([...items, error instanceof Error ? error.message : String(error)]),
    });
  });
}

/** Resolves with the text of the error that it ended with, or null. */
function closed(client: Client): Promise<string | null> {
  return new Promise((resolve) => client.onclose((error) => resolve(error?.message ?? null)));
}

interface Comeback {
  readonly reconnecting: Promise<string | null>;
  readonly reconnected: Promise<string | undefined>;
}

function comeback(client: Client): Comeback {
  return {
    reconnecting: new Promise((resolve) => client.onreconnecting((error) => resolve(error?.message ?? null))),
    reconnected: new Promise((resolve) => client.onreconnected(resolve)),
  };
}

/** Whether it has the client still do what a client does. */
async function works(client: Client): Promise<boolean> {
  return (await client.invoke('Echo', 'there')) === 'there';
}

export const features: Readonly<Record<string, Feature>> = {
  'connects, and both sides know its id': {
    async see(visit) {
      const client = await visit.connect();
      const transport = await client.invoke('GetActiveTransportName');
      const id = await client.invoke('GetCallerConnectionId');
      return { isTransport: transport === (visit.transport ?? transport), isId: id === client.connectionId };
    },
    expected: { isTransport: true, isId: true },
  },
  'connects without negotiation': {
    isThere: ({ transport }) => transport === 'WebSockets',
    see: async (visit) => works(await visit.connect({ skipNegotiation: true })),
    expected: true,
  },
  'invokes: values there and back': {
    async see(visit) {
      const client = await visit.connect();
      return [
        await client.invoke('Echo', text),
        await client.invoke('ADD', 20, 22),
        await client.invoke('EchoAny', value),
        await client.invoke('Void'),
        await client.invoke('Null'),
        await client.invoke('Echo', 'x'.repeat(30_000)).then((long) => String(long).length),
      ];
    },
    expected: [text, 42, value, null, null, 30_000],
  },
  'invokes: bytes there and back': {
    isThere: ({ protocol }) => protocol === 'messagepack',
    async see(visit) {
      const client = await visit.connect();
      const bytes = await client.invoke('EchoAny', Uint8Array.of(0, 1, 30, 254, 255));
      return bytes instanceof Uint8Array ? [...bytes] : 'no bytes';
    },
    expected: [0, 1, 30, 254, 255],
  },
  'invokes: a hundred calls at once, each answered with its own': {
    async see(visit) {
      const client = await visit.connect();
      const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => client.invoke('Add', n, 1)));
      return answers.every((answer, n) => answer === n + 1);
    },
    expected: true,
  },
  'invokes: each error has its text, and the connection goes on': {
    async see(visit) {
      const client = await visit.connect();
      return [
        await failure(client.invoke('ThrowHubException', 'told')),
        await failure(client.invoke('ThrowException', 'broken')),
        await failure(client.invoke('Nope')),
        await failure(client.invoke('Add', 'one', 2)),
        await failure(client.invoke('Stream')),
        await works(client),
      ];
    },
    expected: [
      "An unexpected error occurred invoking 'ThrowHubException' on the server. HubException: told",
      "An unexpected error occurred invoking 'ThrowException' on the server. InvalidOperationException: broken",
      "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.",
      "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
      "The client attempted to invoke the streaming 'Stream' method with a non-streaming invocation.",
      true,
    ],
  },
  'sends, and is called': {
    async see(visit) {
      const client = await visit.connect();
      const message = called(client, 'message');
      await client.send('InvokeWithString', text);
      const object = called(client, 'CustomObject');
      await client.send('SendCustomObject', { Name: 'n', Value: 7 });
      return [await message, await object];
    },
    expected: [[text], [{ Name: 'n', Value: 7 }]],
  },
  'reads a stream to its end, and to its error': {
    async see(visit) {
      const client = await visit.connect();
      return await Promise.all([
        readAll(client.stream('Counter', 4, 0)),
        readAll(client.stream('EmptyStream')),
        readAll(client.stream('CounterThenThrow', 2, 'broken')),
        readAll(client.stream('StreamThrowException', 'broken')),
        readAll(client.stream('Nope')),
      ]);
    },
    expected: [
      [0, 1, 2, 3, 'complete'],
      ['complete'],
      [0, 1, 'An error occurred on the server while streaming results. InvalidOperationException: broken'],
      ["An unexpected error occurred invoking 'StreamThrowException' on the server. InvalidOperationException: broken"],
      ["Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."],
    ],
  },
  'cancels a stream, and the server hears it': {
    async see(visit) {
      const client = await visit.connect();
      const canceled = called(client, 'StreamCanceled');
      const subscription = client.stream('InfiniteStream').subscribe({ next() {}, error() {}, complete() {} });
      // The other call is answered while the stream runs.
      const meanwhile = await works(client);
      subscription.dispose();
      return [meanwhile, await canceled, await works(client)];
    },
    expected: [true, [], true],
  },
  'uploads: a stream, an empty one, and one that fails': {
    async see(visit) {
      const client = await visit.connect();
      const { Subject } = visit.generation.library;
      const [full, empty, failing] = [new Subject(), new Subject(), new Subject()];
      const concatenated = client.invoke('StreamingConcat', full);
      for (const item of ['a', 'ü', 'c']) full.next(item);
      full.complete();
      const nothing = client.invoke('StreamingConcat', empty);
      empty.complete();
      const failed = failure(client.invoke('StreamingConcat', failing));
      failing.next('a');
      failing.error('gone wrong');
      return [await concatenated, await nothing, await failed];
    },
    expected: ['aüc', '', "An unexpected error occurred invoking 'StreamingConcat' on the server. HubException: gone wrong"],
  },
  'streams up and down at once': {
    async see(visit) {
      const client = await visit.connect();
      const up = new visit.generation.library.Subject();
      const down: unknown[] = [];
      const end = Promise.withResolvers<void>();
      client.stream('StreamEcho', up).subscribe({
        next(item) {
          down.push(item);
          if (down.length < 5) up.next(`${String(item)}+`);
          else up.complete();
        },
        error: end.reject,
        complete: end.resolve,
      });
      up.next('x');
      await end.promise;
      return down;
    },
    expected: ['x', 'x+', 'x++', 'x+++', 'x++++'],
  },
  'answers the server, and itself, and without a handler': {
    isThere: ({ generation }) => generation.major >= 7,
    async see(visit) {
      const [asking, asked] = [await visit.connect(), await visit.connect()];
      asked.on('Question', (question) => `${String(question)}!`);
      return [
        await asking.invoke('Ask', asked.connectionId, 'you'),
        await asked.invoke('Ask', asked.connectionId, 'me'),
        await visit.read(`/clientresult/${asked.connectionId}`),
        await failure(asked.invoke('Ask', asking.connectionId, 'nobody')),
        await failure(asking.invoke('Ask', 'unknown', 'nobody')),
      ];
    },
    expected: [
      'you!',
      'me!',
      "Client didn't provide a result.",
      "An unexpected error occurred invoking 'Ask' on the server. HubException: Client didn't provide a result.",
      "An unexpected error occurred invoking 'Ask' on the server. IOException: Connection 'unknown' does not exist.",
    ],
  },
  'gives up when the server asks it something': {
    isThere: ({ generation }) => generation.major < 7,
    async see(visit) {
      const [asking, asked] = [await visit.connect(), await visit.connect()];
      const end = closed(asked);
      asked.on('Question', (question) => question);
      const answer = await failure(asking.invoke('Ask', asked.connectionId, 'you'));
      return [await end, answer.replace(/'[\w-]{22}'/, '<its id>')];
    },
    expected: [
      'Server requested a response, which is not supported in this version of the client.',
      "An unexpected error occurred invoking 'Ask' on the server. IOException: Connection <its id> disconnected.",
    ],
  },
  'never answers the server without a handler, which does not wait for ever': {
    isThere: ({ generation }) => generation.major < 7,
    async see(visit) {
      const [asking, asked] = [await visit.connect(), await visit.connect()];
      return [await failure(asking.invoke('AskWithin', asked.connectionId, 'you', 50)), await works(asked)];
    },
    expected: [
      "An unexpected error occurred invoking 'AskWithin' on the server. HubException: Invocation canceled by the server.",
      true,
    ],
  },
  'joins and leaves a group': {
    async see(visit) {
      const [member, other] = [await visit.connect(), await visit.connect()];
      const heard: unknown[] = [];
      member.on('Message', (message) => heard.push(`member ${String(message)}`));
      other.on('Message', (message) => heard.push(`other ${String(message)}`));
      const tell = (message: string): Promise<unknown> => other.invoke('SendTo', 'group', [visit.unique], message);
      await member.invoke('Join', visit.unique);
      await tell('one');
      await member.invoke('Leave', visit.unique);
      await tell('two');
      await member.invoke('Join', visit.unique);
      await other.invoke('SendTo', 'othersInGroup', [visit.unique], 'three');
      await works(member);
      return heard;
    },
    expected: ['member one', 'member three'],
  },
  'is reached as a user': {
    async see(visit) {
      const [user, other] = [await visit.connect({ path: `/testhub?user=${visit.unique}` }), await visit.connect()];
      const message = called(user, 'Message');
      await other.invoke('SendTo', 'user', [visit.unique], 'for you');
      return [await message, (await user.invoke('GetUserId')) === visit.unique, await other.invoke('GetUserId')];
    },
    expected: [['for you'], true, null],
  },
  'brings its token along, in whichever way it can': {
    async see(visit) {
      const accessToken = await visit.read('/generateJwtToken?seconds=60&user=ada');
      const client = await visit.connect({ path: '/authorizedhub', accessToken });
      return [
        await client.invoke('GetUser'),
        await failure(client.invoke('AdminOnly')),
        /401|Unauthorized/.test(await failure(visit.connect({ path: '/authorizedhub' }))),
      ];
    },
    expected: ['ada', "Failed to invoke 'AdminOnly' because user is unauthorized", true],
  },
  'follows a redirect of negotiate': {
    async see(visit) {
      const client = await visit.connect({ path: `/redirect?baseUrl=${encodeURIComponent(visit.url)}` });
      return Number(await client.invoke('GetNumRedirects')) > 0;
    },
    expected: true,
  },
  'keeps the cookies of negotiate': {
    isThere: ({ generation }) => generation.major >= 8,
    async see(visit) {
      const client = await visit.connect();
      const cookies = ['testCookie', 'testCookie2', 'expiredCookie'];
      return await Promise.all(cookies.map((name) => client.invoke('GetCookie', name)));
    },
    expected: ['testValue', 'testValue2', null],
  },
  'is started again after it has stopped': {
    async see(visit) {
      const client = await visit.connect();
      const { connectionId } = client;
      const messages: unknown[] = [];
      client.on('Message', (message) => messages.push(message));
      await client.invoke('InvokeWithString', 'before');
      await client.stop();
      await client.start();
      await client.invoke('InvokeWithString', 'after');
      return { messages, isOther: client.connectionId !== connectionId };
    },
    expected: { messages: ['before', 'after'], isOther: true },
  },
  'ends: it stops': {
    async see(visit) {
      const client = await visit.connect();
      const end = closed(client);
      await client.stop();
      return await end;
    },
    expected: null,
  },
  'ends: the hub aborts it': {
    async see(visit) {
      const client = await visit.connect({ reconnects: true });
      const end = closed(client);
      await client.send('Abort');
      // To the fifth, the end of an event stream is an error whatever was said before.
      const isBlunt = visit.generation.major === 5 && visit.transport === 'ServerSentEvents';
      return (await end) === 'Error occurred' && isBlunt ? null : await end;
    },
    expected: null,
  },
  'ends: the hub refuses it after the handshake': {
    async see(visit) {
      const client = visit.build({ path: '/connecthub?mode=throw', reconnects: true });
      const end = closed(client);
      // Some hear of it while they start, others after that, and whose handshake is still on its way finds nobody there.
      const start = await failure(client.start());
      const text = start.startsWith('no error') ? String(await end) : start;
      const byEvents = visit.transport === 'ServerSentEvents' && text.startsWith('No Connection with that ID');
      return byEvents || /on close: Connection closed with an error. InvalidOperationException: Connect failed.$/.test(text);
    },
    expected: true,
  },
  'ends: what it sends is too large': {
    async see(visit) {
      const client = await visit.connect({ path: '/limitedhub' });
      const end = closed(client);
      const call = failure(client.invoke('Echo', 'x'.repeat(2000)));
      return [await end, (await call) === (await end)];
    },
    expected: [
      'Server returned an error on close: Connection closed with an error. InvalidDataException: The maximum message size of 1024B was exceeded. The message size can be configured in AddHubOptions.',
      true,
    ],
  },
  'ends: its connection is cut': {
    async see(visit) {
      const client = await visit.connect({ isCuttable: true });
      const end = closed(client);
      await visit.cut();
      const error = await end;
      // The end of an event stream is no error to the client.
      return error !== null || visit.transport === 'ServerSentEvents';
    },
    expected: true,
  },
  'comes back after a close that allows it': {
    async see(visit) {
      const client = await visit.connect({ path: '/limitedhub', reconnects: true });
      const { connectionId } = client;
      const { reconnecting, reconnected } = comeback(client);
      await client.send('Echo', 'x'.repeat(2000));
      const isTold = /maximum message size/.test(String(await reconnecting));
      return { isTold, isOther: (await reconnected) !== connectionId, works: await works(client) };
    },
    expected: { isTold: true, isOther: true, works: true },
  },
  'comes back after a cut': {
    async see(visit) {
      const client = await visit.connect({ isCuttable: true, reconnects: true });
      const { connectionId } = client;
      const { reconnecting, reconnected } = comeback(client);
      await visit.cut();
      await reconnecting;
      return { isOther: (await reconnected) !== connectionId, works: await works(client) };
    },
    expected: { isOther: true, works: true },
  },
  'resumes after a cut, silently, and misses nothing': {
    isThere: ({ generation, transport }) => generation.major >= 8 && transport === 'WebSockets',
    async see(visit) {
      const client = await visit.connect({ isCuttable: true, isStateful: true, reconnects: true });
      const other = await visit.connect();
      const { connectionId } = client;
      const heard: unknown[] = [];
      client.on('Message', (message) => heard.push(message));
      client.onreconnecting(() => heard.push('reconnecting'));
      for (let round = 1; round <= 3; round++) {
        await other.invoke('SendTo', 'client', [connectionId], `before ${round}`);
        await visit.cut();
        await other.invoke('SendTo', 'client', [connectionId], `meanwhile ${round}`);
        heard.push(await client.invoke('Echo', `echo ${round}`));
      }
      return { heard, isSame: (await client.invoke('GetCallerConnectionId')) === connectionId };
    },
    expected: {
      heard: [1, 2, 3].flatMap((round) => [`before ${round}`, `meanwhile ${round}`, `echo ${round}`]),
      isSame: true,
    },
  },
};
