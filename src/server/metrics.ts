/** Counters of the server, as Prometheus text. Labels never hold an id: they are few, and say nothing of anybody. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';

export class Metrics {
  readonly registry: Registry;
  readonly messages: Counter<'outcome'>;
  readonly deliveries: Counter;
  readonly acks: Counter<'kind'>;
  /** Acks and nacks that were refused; one that asked for no answer was ignored. */
  readonly refusedCalls: Counter<'kind'>;
  readonly webhooks: Counter<'source' | 'outcome'>;
  /** Of those with a bad signature, why. */
  readonly webhookRefusals: Counter<'source' | 'cause'>;
  readonly requests: Counter<'method' | 'route' | 'status'>;
  readonly requestSeconds: Histogram<'route'>;

  /** @param connections how many there are now */
  constructor(connections: () => number) {
    const registry = new Registry();
    const registers = [registry];
    collectDefaultMetrics({ register: registry });
    this.registry = registry;
    this.messages = new Counter({ name: 'ringback_messages_total', help: 'Messages taken.', labelNames: ['outcome'], registers });
    this.deliveries = new Counter({ name: 'ringback_deliveries_total', help: 'Messages handed to a transport.', registers });
    this.acks = new Counter({ name: 'ringback_acks_total', help: 'Acks and nacks of pages.', labelNames: ['kind'], registers });
    this.refusedCalls = new Counter({
      name: 'ringback_refused_acks_total',
      help: 'Acks and nacks refused or ignored.',
      labelNames: ['kind'],
      registers,
    });
    this.webhooks = new Counter({
      name: 'ringback_webhooks_total',
      help: 'Webhooks by what became of them; `unclaimed` are parked ones that nobody came for.',
      labelNames: ['source', 'outcome'],
      registers,
    });
    this.webhookRefusals = new Counter({
      name: 'ringback_webhook_refusals_total',
      help: 'Webhooks refused as `bad_signature`, by cause: `headers`, `clock`, `signature`, or `verifier` when it failed itself.',
      labelNames: ['source', 'cause'],
      registers,
    });
    this.requests = new Counter({
      name: 'ringback_http_requests_total',
      help: 'HTTP requests answered.',
      labelNames: ['method', 'route', 'status'],
      registers,
    });
    this.requestSeconds = new Histogram({
      name: 'ringback_http_request_seconds',
      help: 'Time from the head of a request to the end of its answer.',
      labelNames: ['route'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
      registers,
    });
    const gauge: Gauge = new Gauge({
      name: 'ringback_connections',
      help: 'Open SignalR connections.',
      registers,
      collect: (): void => gauge.set(connections()),
    });
  }
}
