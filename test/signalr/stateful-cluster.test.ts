/** Stateful reconnect behind a balancer without affinity, as far as the port goes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpTransportType, type HubConnection as Client, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { allowAnybody, type EndpointOptions, Hub, type HubConnection } from '../../src/signalr/index.ts';
import { eventually } from '../fixtures/eventually.ts';
import { Proxy } from '../fixtures/proxy.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';
import { RawSocket } from './raw-client.ts';
import { joinStateful, negotiateStateful, shake2, upgradeStatus } from './stateful-server.ts';

interface Nodes extends AsyncDisposable {
  readonly cluster: Cluster<undefined>;
  readonly connected: { readonly at: number; readonly connection: HubConnection<undefined> }[];
  readonly ended: number[];
}

async function start(count: number, options: ClusterOptions = { forwardsUpgrades: true }): Promise<Nodes> {
  const connected: Nodes['connected'] = [];
  const ended: number[] = [];
  const optionsOf = (at: number): EndpointOptions<undefined> => ({
    authenticate: allowAnybody,
    statefulReconnect: true,
    handler: new Hub<undefined>({
      methods: { where: () => at, id: ({ connection }) => connection.id },
      onConnected: ({ connection }) => void connected.push({ at, connection }),
      onDisconnected: () => void ended.push(at),
    }),
  });
  const cluster = await Cluster.start<undefined>(count, optionsOf, options);
  return { cluster, connected, ended, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
}

function build(url: string): Client {
  return new HubConnectionBuilder()
    .withUrl(url, { transport: HttpTransportType.WebSockets })
    .withStatefulReconnect()
    .withAutomaticReconnect([0, 0, 0])
    .configureLogging(LogLevel.None)
    .build();
}

test('the official client comes back through any node to the one that keeps its messages', async () => {
  await using nodes = await start(3);
  const { cluster, connected, ended } = nodes;
  await using proxy = await Proxy.start(cluster.url);
  const client = build(proxy.through(cluster.url));
  const heard: unknown[] = [];
  const told: string[] = [];
  client.on('say', (value) => heard.push(value));
  client.onreconnecting(() => told.push('reconnecting'));
  await client.start();
  const { connectionId } = client;
  const owner = connected[0]?.at;
  for (let n = 0; n < 6; n++) {
    connected[0]?.connection.send('say', n);
    proxy.cut();
    assert.equal(await client.invoke('where'), owner);
    await eventually('it has heard', async () => heard.length === n + 1);
  }
  assert.deepEqual([heard, told, ended, connected.length], [[0, 1, 2, 3, 4, 5], [], [], 1]);
  assert.equal(await client.invoke('id'), connectionId);
  const through = new Set(cluster.balancer.requests.filter(({ isUpgrade }) => isUpgrade).map(({ server }) => server));
  assert.deepEqual(through, new Set([0, 1, 2]));
  await client.stop();
  await eventually('it has ended at its node', async () => ended.length === 1);
});

test('when the node is gone, so is what it kept: 404, and the client begins anew elsewhere', async () => {
  await using nodes = await start(2);
  const { cluster, connected } = nodes;
  cluster.balancer.pick = () => 0;
  const client = build(cluster.url);
  await client.start();
  const first = client.connectionId;
  const reconnected = new Promise((resolve) => client.onreconnected(resolve));
  cluster.balancer.pick = () => 1;
  cluster.balancer.replace(0, undefined);
  await cluster.node(0).kill();
  assert.notEqual(await reconnected, first);
  assert.equal(await client.invoke('where'), 1);
  assert.deepEqual(
    connected.map(({ at }) => at),
    [0, 1],
  );
  await client.stop();
});

test('no other node ever takes such a connection over, its first socket included', async () => {
  await using nodes = await start(2);
  const { cluster, connected, ended } = nodes;
  const { url, connectionId } = await negotiateStateful(cluster.node(0).url);
  const elsewhere = cluster.node(1).url + new URL(url).search;
  using socket = await RawSocket.join(elsewhere, shake2);
  assert.deepEqual(
    connected.map(({ at, connection: { id } }) => [at, id]),
    [[0, connectionId]],
  );
  assert.deepEqual([cluster.node(0).endpoint.connectionCount, cluster.node(1).endpoint.connectionCount], [1, 0]);
  socket.send('{"type":7}\u001e');
  await eventually('it has ended', async () => ended.length === 1);
  assert.equal(await upgradeStatus(elsewhere), 404);
  const dead = await negotiateStateful(cluster.node(0).url);
  await cluster.node(0).kill();
  assert.equal(await upgradeStatus(cluster.node(1).url + new URL(dead.url).search), 404);
});

test('where upgrades cannot be passed on, and with version 0, stateful reconnect is not offered', async () => {
  const ask = async (cluster: Cluster<undefined>, version: number): Promise<unknown> => {
    const query = `negotiateVersion=${version}&useStatefulReconnect=true`;
    const response = await fetch(`${cluster.node(0).url}/negotiate?${query}`, { method: 'POST' });
    const answer: Record<string, unknown> = JSON.parse(await response.text());
    return answer['useStatefulReconnect'];
  };
  await using apart = await start(2, {});
  assert.equal(await ask(apart.cluster, 1), undefined);
  const client = build(apart.cluster.url);
  await client.start();
  assert.equal(await client.invoke('where'), 1, 'it was taken over, as any other');
  await client.stop();
  await using nodes = await start(2);
  assert.equal(await ask(nodes.cluster, 0), undefined);
  assert.equal(await ask(nodes.cluster, 1), true);
});

test('a token that says so is passed on, and never answered by a node that did not make it', async () => {
  await using nodes = await start(3);
  const { cluster } = nodes;
  const { socket, url } = await joinStateful(cluster.node(0).url);
  for (const at of [1, 2, 0]) {
    using again = await RawSocket.open(cluster.node(at).url + new URL(url).search);
    assert.equal(await again.next(), '{"type":9,"sequenceId":1}', `through node ${at}`);
  }
  assert.equal(await socket.next(), 'closed 1000');
});
