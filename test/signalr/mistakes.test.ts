/** What goes wrong at first: each mistake is told at once, by its name, to those whom no compiler tells it as well. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import express from 'express';
import {
  allowAnybody,
  attach,
  attachUpgrades,
  createHub,
  Endpoint,
  expressHandler,
  fastifyPlugin,
  Hub,
  method,
  text,
} from '../../src/signalr/index.ts';
import { silentLogger } from '../../src/logger.ts';
import { startHubServer } from './hub-server.ts';
import { RawSocket } from './raw-client.ts';

/** As JavaScript calls it. */
function told(call: (...args: never[]) => unknown, ...args: readonly unknown[]): string {
  try {
    Reflect.apply(call, undefined, args);
  } catch (error) {
    return String(error);
  }
  return 'nothing';
}

const createEndpoint = (options: unknown): unknown => Reflect.construct(Endpoint, [options]);

const handler = new Hub<undefined>({ methods: {} });

test('options of a hub', () => {
  assert.equal(told(createHub), 'TypeError: expected the options of a hub, got undefined');
  assert.equal(told(createHub, {}), 'TypeError: the option methods of a hub must be an object, got undefined');
  assert.equal(
    told(createHub, { methods: {}, keepAliveIntervalMs: '5' }),
    'TypeError: the option keepAliveIntervalMs of a hub must be a number, got string',
  );
  assert.match(
    told(createHub, { methods: {}, keepAliveInterval: 5 }),
    /^TypeError: unknown option keepAliveInterval of a hub, expected one of methods, .*, keepAliveIntervalMs, /,
  );
  assert.equal(
    told(createHub, { methods: {}, maximumStreams: 0 }),
    'TypeError: maximumStreams must be a positive integer, got 0',
  );
  for (const protocols of [[], ['json']]) {
    assert.match(
      told(createHub, { methods: {}, protocols }),
      /^TypeError: the option protocols of a hub must be a list of protocols, /,
    );
  }
});

test('methods', () => {
  for (const wrong of [5, null, undefined, {}, { run: 'now' }]) {
    assert.equal(
      told(createHub, { methods: { say: wrong } }),
      'TypeError: the hub method say must be a function, or made by method()',
    );
  }
  assert.match(
    told(createHub, { methods: { say: method({ parameters: [text], run: () => 1 }), Say: () => 2 } }),
    /^TypeError: the hub method Say exists twice/,
  );
  for (const wrong of ['string', String(text), undefined, {}]) {
    assert.match(
      told(createHub, { methods: { say: { parameters: [text, wrong], run: () => 1 } } }),
      /^TypeError: each parameter of the hub method say must be a function, such as text, or an upload/,
    );
  }
  for (const wrong of [undefined, () => 1, {}, { parameters: [] }]) {
    assert.match(told(method, wrong), /^TypeError: method\(\) takes \{ parameters, run \}/);
  }
});

test('options of an endpoint', () => {
  assert.equal(told(createEndpoint), 'TypeError: expected the options of an endpoint, got undefined');
  assert.match(
    told(createEndpoint, { handler }),
    /^TypeError: the option authenticate of an endpoint must be a function, got undefined/,
  );
  assert.match(
    told(createEndpoint, { authenticate: allowAnybody }),
    /^TypeError: the option handler of an endpoint must be an object/,
  );
  assert.match(
    told(createEndpoint, { authenticate: allowAnybody, handler: {} }),
    /^TypeError: the option handler .* must be a hub$/,
  );
  const all = { handler, authenticate: allowAnybody };
  assert.match(
    told(createEndpoint, { ...all, hub: handler }),
    /^TypeError: unknown option hub of an endpoint, expected one of handler, /,
  );
  assert.match(
    told(createEndpoint, { ...all, maxConnections: '5' }),
    /^TypeError: the option maxConnections .* must be a number, got string/,
  );
  assert.match(
    told(createEndpoint, { ...all, transports: ['longPolling'] }),
    /^TypeError: unknown transport longPolling, expected WebSockets, /,
  );
});

test('what is undefined is left out', async () => {
  await using server = await startHubServer({
    ...Object.fromEntries(
      ['clock', 'logger', 'transports', 'pollTimeoutMs', 'lean', 'isOriginAllowed'].map((name) => [name, undefined]),
    ),
    authenticate: allowAnybody,
    handler: new Hub<undefined>({
      ...Object.fromEntries(
        ['clock', 'logger', 'protocols', 'keepAliveIntervalMs', 'onConnected'].map((name) => [name, undefined]),
      ),
      methods: { echo: (_context, value) => value },
    }),
  });
  using socket = await RawSocket.join(server.url);
  socket.call('echo', 5);
  assert.equal(await socket.next(), '{"type":3,"invocationId":"1","result":5}');
});

test('mounting', () => {
  const server = createServer();
  const endpoint = new Endpoint({ handler, authenticate: allowAnybody });
  assert.equal(
    told(attach, server, '/hub', handler),
    'TypeError: expected an endpoint: new Endpoint({ handler: hub, authenticate })',
  );
  assert.match(told(expressHandler, handler), /^TypeError: expected an endpoint/);
  assert.match(told(fastifyPlugin, handler), /^TypeError: expected an endpoint/);
  assert.match(
    told(attach, express(), '/hub', endpoint),
    /^TypeError: expected a server .*: of Express what app\.listen\(\) returns/,
  );
  const detach = attach(server, '/hub', endpoint);
  attach(server, '/other', endpoint);
  assert.equal(told(attach, server, '/Hub', endpoint), 'TypeError: there is an endpoint at /Hub of this server already');
  assert.match(told(attachUpgrades, server, '/hub', endpoint), /^TypeError: there is an endpoint/);
  detach();
  attach(server, '/hub', endpoint);
});

test('the arguments of a question to a client are a list', () => {
  const client = handler.clients.client('x');
  assert.equal(
    told((...args) => Reflect.apply(client.invoke, client, args), 'confirm', 'sure?'),
    "TypeError: the arguments of confirm must be a list: invoke('confirm', [...], options)",
  );
});

test('why arguments do not fit is in the log, for whoever writes the client', async () => {
  const logged: object[] = [];
  await using server = await startHubServer({
    authenticate: allowAnybody,
    handler: new Hub<undefined>({
      logger: { ...silentLogger, debug: (fields) => void logged.push(fields) },
      methods: { say: method({ parameters: [text, text], run: () => 1 }) },
    }),
  });
  using socket = await RawSocket.join(server.url);
  for (const args of [['a', 5], ['a']]) {
    socket.call('SAY', ...args);
    assert.match(await socket.next(), /"error":"Failed to invoke 'say' due to an error on the server\."/);
  }
  const common = { event: 'signalr.arguments.refused', target: 'say' };
  assert.deepEqual(
    logged.map((fields) => ({ ...fields, connectionId: '' })),
    [
      { ...common, connectionId: '', reason: 'argument 2: expected a text' },
      { ...common, connectionId: '', reason: 'Invocation provides 1 argument(s) but target expects 2.' },
    ],
  );
});
