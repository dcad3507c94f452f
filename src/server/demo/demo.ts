/** The demo as one part: its shop, its provider, its pages, and `POST /test`. Only what `--demo` asks for. */
import type { FastifyInstance } from 'fastify';
import { systemClock, type Clock } from '../../clock.ts';
import { silentLogger, type Logger } from '../../logger.ts';
import type { Transactions } from '../../transactions/transactions.ts';
import type { WebhookSource } from '../../webhooks/source.ts';
import type { Addresses } from '../addresses.ts';
import type { Api } from '../api.ts';
import type { Configuration } from '../configuration.ts';
import { connectableUrlOf, type ListenAddress } from '../listen-address.ts';
import { Origins } from '../origins.ts';
import { addPages } from './pages.ts';
import { Provider } from './provider.ts';
import { addShop } from './shop-routes.ts';
import { Shop } from './shop.ts';
import { addTest } from './test-route.ts';

export interface DemoOptions {
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  /** Where its pages are. Default: the built ones. */
  readonly pages?: string | undefined;
}

export interface DemoParts {
  readonly api: Api;
  readonly transactions: Transactions;
  readonly addresses: Addresses;
}

export class Demo {
  readonly #options: DemoOptions;
  readonly #provider: Provider;
  readonly #ownOrigins: Origins;

  constructor({ publicUrl }: Pick<Configuration, 'publicUrl'>, options: DemoOptions = {}) {
    this.#options = options;
    this.#provider = new Provider(options.clock ?? systemClock);
    this.#ownOrigins = new Origins(publicUrl === undefined ? undefined : [new URL(publicUrl).origin]);
  }

  /** What its provider signs for. */
  get source(): WebhookSource {
    return this.#provider.source;
  }

  useListenAddress(address: ListenAddress): void {
    this.#ownOrigins.useListenAddress(address);
    this.#provider.useServer(connectableUrlOf(address));
  }

  addRoutes(app: FastifyInstance, { api, transactions, addresses }: DemoParts): void {
    const { logger = silentLogger, pages } = this.#options;
    addPages(app, { ownOrigins: this.#ownOrigins, logger, folder: pages });
    addShop(app, { shop: new Shop({ api, addresses }), provider: this.#provider });
    addTest(app, { api, transactions, ownOrigins: this.#ownOrigins });
  }
}
