/** Whole servers on one PostgreSQL, behind a balancer without affinity; for a test. */
import { Client } from 'pg';
import { silentLogger } from '../../src/logger.ts';
import { parseConfiguration, type RingbackConfiguration } from '../../src/server/configuration.ts';
import type { Authenticate } from '../../src/server/hub/authentication.ts';
import { serve, type Serving } from '../../src/server/serve.ts';
import { API_KEY, BackEnd } from '../fixtures/back-end.ts';
import { Balancer } from '../fixtures/balancer.ts';
import { temporaryDatabase, type TemporaryDatabase } from '../fixtures/postgres.ts';

export interface NodesOptions extends RingbackConfiguration {
  readonly authenticate?: Authenticate;
}

export class Nodes implements AsyncDisposable {
  /** In the order of the balancer. */
  readonly names: string[] = [];
  readonly servings: Serving[] = [];
  /** What any of them has warned of. */
  readonly warnings: object[] = [];
  readonly balancer: Balancer;
  readonly backEnd: BackEnd;
  readonly #drains = new Map<number, Promise<void>>();
  readonly #database: TemporaryDatabase;

  private constructor(balancer: Balancer, database: TemporaryDatabase) {
    this.balancer = balancer;
    this.#database = database;
    this.backEnd = new BackEnd(balancer.url);
  }

  static async start(count: number, { authenticate, ...options }: NodesOptions = {}): Promise<Nodes> {
    const database = await temporaryDatabase();
    const nodes = new Nodes(await Balancer.start([]), database);
    const configuration = parseConfiguration({
      store: database.url,
      port: 0,
      drainSeconds: 1,
      publicUrl: nodes.balancer.url,
      ...options,
    });
    for (let at = 0; at < count; at++) {
      const logger = {
        ...silentLogger,
        info: (fields: object) => nodes.#learn(fields),
        warn: (fields: object) => void nodes.warnings.push(fields),
      };
      const serving = await serve(configuration, { apiKeys: [API_KEY], logger, authenticate });
      nodes.servings.push(serving);
      nodes.balancer.replace(at, serving.url);
    }
    return nodes;
  }

  url(at: number): string {
    const serving = this.servings[at];
    if (serving === undefined) throw new TypeError(`there is no server ${at}`);
    return serving.url;
  }

  /** Which of them a connection token names. */
  ownerOf(token: string): number {
    return this.names.findIndex((name) => token.endsWith(`.${name}`));
  }

  /** Requests of a connection go where it was not negotiated. */
  neverToOwner(): void {
    let turn = 0;
    this.balancer.pick = ({ url = '' }) => {
      const owner = this.ownerOf(/[?&]id=([^&]*)/.exec(url)?.[1] ?? '');
      return owner === -1 ? undefined : (owner + 1 + (turn++ % (this.names.length - 1))) % this.names.length;
    };
  }

  /** As if a firewall were between them: whoever looks for another finds nobody at its address. */
  async separate(): Promise<void> {
    const client = new Client({ connectionString: this.#database.url });
    await client.connect();
    await client.query(`CREATE FUNCTION nowhere() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN NEW.address := '127.0.0.1:9'; RETURN NEW; END $$`);
    await client.query(
      'CREATE TRIGGER nowhere BEFORE INSERT OR UPDATE ON ringback.nodes FOR EACH ROW EXECUTE FUNCTION nowhere()',
    );
    await client.query('UPDATE ringback.nodes SET address = address');
    await client.end();
  }

  drain(at: number): Promise<void> {
    const drained = this.#drains.get(at) ?? this.servings[at]?.drain() ?? Promise.resolve();
    this.#drains.set(at, drained);
    return drained;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.names.map((_name, at) => this.drain(at)));
    await this.balancer[Symbol.asyncDispose]();
    await this.#database[Symbol.asyncDispose]();
  }

  /** A server says what it is called when its peers may come. */
  #learn(fields: object): void {
    if ('event' in fields && fields.event === 'peers.listening' && 'node' in fields) this.names.push(String(fields.node));
  }
}
