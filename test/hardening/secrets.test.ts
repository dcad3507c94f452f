/** A whole life of transactions in a process that logs everything; then every secret of it is searched wherever it must not be. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { API_KEY } from '../fixtures/back-end.ts';
import { freePort } from '../fixtures/free-port.ts';
import { request, type Answer } from '../fixtures/http-api.ts';
import { Page } from '../fixtures/page.ts';
import { ServerProcess, temporaryFolder } from '../fixtures/server.ts';
import { Hub } from '../http/hub-requests.ts';
import { exchange } from '../http/wire-client.ts';
import { deliver, SECRET, webhooks } from '../webhooks/delivery.ts';
import { newSecret } from '../webhooks/provider.ts';

const run = promisify(execFile);

const SECOND_KEY = 'rbak_second-key-of-this-run-5647382910';

/** Payload, by where it is put; each must be found where it belongs, and nowhere else. */
const canaries = {
  data: 'canary-data-51f0',
  metadata: 'canary-metadata-93ab',
  reference: 'canary-reference-27cd',
  reply: 'canary-reply-64ef',
  error: 'canary-error-8812',
  callback: 'canary-callback-7d3e',
  key: 'canary-key-40b9',
  query: 'canary-query-5c1a',
  header: 'canary-header-e2f7',
  bad: 'canary-bad-credential-0d6c',
  webhook: 'canary-webhook-b61d',
  parked: 'canary-parked-39ce',
  event: 'canary-event-f20a',
} as const;

/** What is put into the store as it is. */
const stored = ['data', 'metadata', 'reference', 'reply', 'error', 'callback', 'key', 'webhook', 'parked'] as const;

/** The bytes of every file in a folder. Read by another program: to close a file of a database in this process drops its locks. */
async function filesIn(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of await readdir(folder)) {
    const { stdout } = await run('cat', [join(folder, name)], { encoding: 'latin1', maxBuffer: 256 * 1024 * 1024 });
    files.set(name, stdout);
  }
  return files;
}

function foundIn(files: ReadonlyMap<string, string>, secret: string): string[] {
  return [...files].filter(([, bytes]) => bytes.includes(secret)).map(([name]) => name);
}

class Run {
  readonly server: ServerProcess;
  readonly secrets: string[] = [API_KEY, SECOND_KEY, SECRET, SECRET.slice('whsec_'.length)];
  readonly errorBodies: string[] = [];

  constructor(server: ServerProcess) {
    this.server = server;
  }

  /** Asks for something that is refused, and keeps the refusal. */
  async refused(method: string, path: string, options: Parameters<typeof request>[2] = {}): Promise<void> {
    const answer = await request(method, this.server.url + path, options);
    assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${path} is answered ${answer.status}`);
    this.errorBodies.push(answer.text + JSON.stringify([...answer.headers]));
  }

  /** Opens a transaction with everything in it, sends, delivers, acks; the way a shop would. */
  async visit(name: string): Promise<string> {
    const { backEnd, url } = this.server;
    const early = { type: 'paid', data: { reference: `${canaries.reference} ${name}`, text: canaries.parked } };
    assert.equal((await deliver(url, early, { id: `${canaries.event} before ${name}` })).status, 200);
    const opened = await backEnd.open({ reference: `${canaries.reference} ${name}`, metadata: { note: canaries.metadata } });
    const { id, accessToken, callbackUrl = '', hubUrl } = opened;
    const minted = Object(await this.#ok(backEnd.call('POST', `/v1/transactions/${id}/tokens`)));
    const url2 = Object(await this.#ok(backEnd.call('POST', `/v1/transactions/${id}/callbacks`)));
    const callbackSecrets = [callbackUrl, String(url2.callbackUrl)].map((each) => each.slice(each.lastIndexOf('/') + 1));
    this.secrets.push(accessToken, String(minted.accessToken), ...callbackSecrets);

    const hub = new Hub(url);
    const attached = await hub.attach(accessToken);
    const fresh = await hub.negotiate(String(minted.accessToken));
    this.secrets.push(attached.ticket, attached.connectionToken, fresh.ticket, fresh.connectionToken);
    await hub.upgrade(`?id=${fresh.connectionToken}&access_token=${fresh.ticket}`, [['Origin', url]]);
    await exchange(url, {
      method: 'DELETE',
      path: `/hub?id=${attached.connectionToken}`,
      headers: [['Authorization', `Bearer ${attached.ticket}`]],
    });

    await this.#webhooks(name);
    await using page = await Page.open({ hubUrl, accessToken });
    await backEnd.send(id, { data: { text: canaries.data }, id: `${canaries.key} ${name}` });
    await this.#ok(request('POST', callbackUrl, { json: { text: canaries.callback } }));
    await page.untilMessages(4);
    await page.ack(3, { text: canaries.reply });
    await assert.rejects(page.ack(99, { text: canaries.reply }));
    await page.nack(4, canaries.error);
    await this.#ok(request('GET', `${url}/v1/transactions/${id}/messages`, { bearer: accessToken }));
    await this.#ok(
      request('POST', `${url}/v1/transactions/${id}/acks`, { bearer: accessToken, json: { sequence: 4, error: canaries.error } }),
    );
    await this.#refusals(id, accessToken, callbackUrl);
    return id;
  }

  /** One that comes in time, one that came before its transaction, and what is refused. */
  async #webhooks(name: string): Promise<void> {
    const { url } = this.server;
    const { webhook, reference, event, bad, header } = canaries;
    const body = { type: 'paid', data: { reference: `${reference} ${name}`, text: webhook } };
    const id = `${event} ${name}`;
    for (const delivery of [{ id }, { id }]) assert.equal((await deliver(url, body, delivery)).status, 200);
    for (const other of [{ data: { text: webhook } }, { data: { reference: 'txn_none', text: webhook } }])
      assert.equal((await deliver(url, other, { id: `${event} of nobody ${JSON.stringify(other)}` })).status, 200);
    const refused = [
      await deliver(url, body, { id, secret: newSecret() }),
      await deliver(url, body, { id, headers: [['webhook-id', bad]] }),
      await deliver(url, `{"text":"${webhook}"`, { id: `${event} broken` }),
      await deliver(url, body, { id: `${event}${'x'.repeat(200)}` }),
      await deliver(url, body, { id, source: bad, headers: [['X-Test', header]] }),
    ];
    for (const { status, text, headers } of refused) {
      assert.ok(status >= 400 && status < 500);
      this.errorBodies.push(text + JSON.stringify(headers));
    }
  }

  async #ok(answer: Promise<Answer>): Promise<unknown> {
    const { status, body, text } = await answer;
    assert.ok(status < 300, `${status}: ${text}`);
    return body;
  }

  async #refusals(id: string, accessToken: string, callbackUrl: string): Promise<void> {
    const { data, key, query, header, bad, reference } = canaries;
    const path = `/v1/transactions/${id}`;
    const keyed = { bearer: API_KEY };
    await this.refused('GET', `${path}?access_token=${accessToken}&q=${query}`, keyed);
    await this.refused('GET', `${path}/messages?after=${query}`, { bearer: accessToken });
    await this.refused('GET', path, { bearer: bad });
    await this.refused('GET', `/v1/transactions/${bad}`, keyed);
    await this.refused('GET', `${path}/messages/${bad}`, keyed);
    await this.refused('POST', `${path}/messages`, { bearer: accessToken, json: { type: 't', data } });
    await this.refused('POST', `${path}/messages`, { ...keyed, raw: `{"type":"t","data":"${data}"` });
    await this.refused('POST', `${path}/messages`, { ...keyed, json: { type: `${data} ?`, data, id: `${data}\n` } });
    await this.refused('POST', `${path}/messages`, {
      ...keyed,
      json: { type: 't', data: 1, id: key },
      headers: { 'idempotency-key': header },
    });
    await this.refused('POST', '/v1/messages:batch', {
      ...keyed,
      json: { messages: [{ transaction: bad, type: `${data} ?`, data, id: key }] },
    });
    await this.refused('POST', '/v1/transactions', { ...keyed, json: { reference: `${reference}\n`, metadata: data } });
    await this.refused('POST', new URL(callbackUrl).pathname, { raw: `["${data}"]` });
    await this.refused('PUT', new URL(callbackUrl).pathname, { json: { data } });
    await this.refused('POST', `${new URL(callbackUrl).pathname}x`, { json: { data } });
    await this.refused('POST', `/hub/negotiate?access_token=${accessToken}&q=${query}`, {});
    await this.refused('POST', `/hub/negotiate?after=${query}`, { bearer: accessToken });
    await this.refused('GET', `/hub?id=${bad}&access_token=${accessToken}`, { bearer: accessToken });
    await this.refused('GET', `/${bad}?q=${query}`, { bearer: accessToken, headers: { 'x-test': header } });
  }
}

test('no secret and no payload of a run is in logs, metrics or refusals, no secret is in the store, and nothing is left of what is forgotten', async () => {
  await using folder = await temporaryFolder();
  await using settings = await temporaryFolder();
  const metricsPort = await freePort();
  const configuration = join(settings.path, 'ringback.json');
  await writeFile(configuration, JSON.stringify({ webhooks }));
  await using server = await ServerProcess.start({
    args: [
      '--port',
      '0',
      '--metrics-port',
      String(metricsPort),
      '--store',
      `sqlite:${join(folder.path, 'ringback.db')}`,
      '--log-level',
      'debug',
      '--config',
      configuration,
    ],
    env: { RINGBACK_API_KEY: `${API_KEY},${SECOND_KEY}` },
  });
  const visits = new Run(server);
  const ids = [await visits.visit('one'), await visits.visit('two')];
  const { text: metrics } = await request('GET', `http://127.0.0.1:${metricsPort}/metrics`);
  const { secrets, errorBodies } = visits;
  assert.ok(secrets.length >= 18 && new Set(secrets).size === secrets.length && secrets.every((secret) => secret.length >= 20));
  assert.match(metrics, /ringback_messages_total\{outcome="stored"\} 6/);
  assert.match(metrics, /ringback_webhooks_total\{source="acme",outcome="parked"\} 2/);
  assert.ok(
    server.stderr.includes('/v1/transactions/:id') && server.stderr.split('\n').length > 50,
    'the log has something in it',
  );
  assert.ok(errorBodies.length >= 44);

  const outlets = new Map([
    ['stdout', server.stdout],
    ['stderr', server.stderr],
    ['metrics', metrics],
    ['refusals', errorBodies.join('\n')],
  ]);
  for (const secret of [...secrets, ...Object.values(canaries)])
    assert.deepEqual(foundIn(outlets, secret), [], `${secret.slice(0, 12)}… is told`);
  for (const id of ids) assert.deepEqual(foundIn(new Map([['metrics', metrics]]), id), [], 'metrics say nothing of anybody');

  const files = await filesIn(folder.path);
  for (const name of stored) assert.ok(foundIn(files, canaries[name]).length > 0, `${name} is searched where it is not`);
  for (const id of ids) assert.ok(foundIn(files, id).length > 0);
  for (const secret of secrets) assert.deepEqual(foundIn(files, secret), [], `${secret.slice(0, 12)}… is in the store`);

  for (const id of ids) await server.backEnd.forget(id);
  const rest = await filesIn(folder.path);
  assert.ok(rest.size > 0);
  for (const name of stored)
    assert.deepEqual(foundIn(rest, canaries[name]), [], `${name} of a forgotten transaction is still there`);
  for (const id of ids) assert.deepEqual(foundIn(rest, id), []);
  assert.equal(await server.stop(), 0);
  for (const secret of [...secrets, ...Object.values(canaries)])
    assert.deepEqual(foundIn(new Map([['stderr', server.stderr]]), secret), []);
  const last = await filesIn(folder.path);
  for (const canary of Object.values(canaries)) assert.deepEqual(foundIn(last, canary), []);
});
