/** `--batch`: how many messages a second Ringback takes and commits when they come a thousand to a request; nobody reads them. */
import { Agent, request } from 'node:http';
import { Deployment } from './deployment.ts';
import type { Peer } from './peers/peer.ts';

const TRANSACTIONS = 1000;
const MESSAGES = 1000;
/** Batches under way at once. */
const AT_ONCE = 4;
const WARM_UP_MS = 3000;
const MEASURE_MS = 5000;
/** As the messages of the other loads. */
const TEXT = 'x'.repeat(280);

interface BatchReport {
  readonly rate: number;
  /** User and system time of the server, and of its database, in microseconds. */
  readonly cpuPerMessage: number;
  /** Of one request. */
  readonly p50Ms: number;
  readonly longestMs: number;
}

/** Of each round; every result of every batch is looked at. @throws Error for a message that was not stored */
export async function measureBatches(peer: Peer, rounds: number): Promise<readonly BatchReport[]> {
  await peer.prepare?.();
  const reports: BatchReport[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await using servers = await Deployment.start(peer);
    const sender = new Sender(servers);
    const bodies = await sender.bodies();
    await sender.send(bodies, WARM_UP_MS);
    const before = await cpuOf(servers);
    const begin = performance.now();
    const times = (await sender.send(bodies, MEASURE_MS)).toSorted((a, b) => a - b);
    const seconds = (performance.now() - begin) / 1000;
    const sent = times.length * MESSAGES;
    reports.push({
      rate: sent / seconds,
      cpuPerMessage: ((await cpuOf(servers)) - before) / sent,
      p50Ms: times[times.length >> 1] ?? NaN,
      longestMs: times.at(-1) ?? NaN,
    });
  }
  return reports;
}

/** With what it shares. */
async function cpuOf(servers: Deployment): Promise<number> {
  const { servers: own, shared } = await servers.read();
  return own.cpuUs + (shared?.cpuUs ?? 0);
}

class Sender {
  readonly #servers: Deployment;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

  constructor(servers: Deployment) {
    this.#servers = servers;
  }

  /** Each with a message for every transaction, in another order: what is stored of one body is never stored together again. */
  async bodies(): Promise<readonly Buffer[]> {
    const ids: string[] = [];
    for (let count = 0; count < TRANSACTIONS; count += 1) {
      const opened: { readonly id: string } = JSON.parse(await this.#post('/v1/transactions', Buffer.from('{}')));
      ids.push(opened.id);
    }
    return Array.from({ length: AT_ONCE }, (_, index) => {
      const messages = Array.from({ length: MESSAGES }, (__, number) => {
        const transaction = ids[(number * 7 + index * 131) % TRANSACTIONS];
        return { transaction, type: 'order.paid', data: { order: number, text: TEXT } };
      });
      return Buffer.from(JSON.stringify({ messages }));
    });
  }

  /** Returns how long each request took. */
  async send(bodies: readonly Buffer[], forMs: number): Promise<readonly number[]> {
    const end = performance.now() + forMs;
    const times: number[] = [];
    const one = async (body: Buffer): Promise<void> => {
      while (performance.now() < end) {
        const begin = performance.now();
        const answer = await this.#post('/v1/messages:batch', body);
        times.push(performance.now() - begin);
        const stored = answer.split('"status":"stored"').length - 1;
        if (stored !== MESSAGES) throw new Error(`${MESSAGES - stored} messages of a batch were not stored`);
      }
    };
    await Promise.all(bodies.map(one));
    return times;
  }

  async #post(path: string, body: Buffer): Promise<string> {
    const headers = { authorization: `Bearer ${this.#servers.apiKey}`, 'content-type': 'application/json' };
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const asked = request({ port: this.#servers.ports[0], path, method: 'POST', agent: this.#agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode !== undefined && response.statusCode < 300) resolve(text);
        else reject(new Error(`${path} was answered ${response.statusCode}: ${text.slice(0, 300)}`));
      });
    });
    asked.on('error', reject);
    asked.end(body);
    return await promise;
  }
}
