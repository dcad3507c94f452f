/**
 * A page, and the worker that it may start: plays features with the official client in the build that stock pages load, and tells what
 * it saw.
 */
import { features } from '../features.ts';
import type { Library } from '../library.ts';
import { type Order, Visit } from '../visit.ts';

/** The client's own build for browsers defines it. */
declare const signalR: Library & {
  readonly protocols: { readonly msgpack: { readonly MessagePackHubProtocol: new () => unknown } };
};

const request = globalThis.fetch.bind(globalThis);

const generation = {
  major: Number.parseInt(signalR.VERSION, 10),
  library: signalR,
  createMessagePack: () => new signalR.protocols.msgpack.MessagePackHubProtocol(),
};

const own = {
  /** @returns what was seen; `undefined` where the feature is not there */
  async play({ title, ...how }: Order): Promise<unknown> {
    const feature = features[title];
    if (feature === undefined) throw new Error(`no feature ${title}`);
    if (feature.isThere?.({ ...how, generation }) === false) return undefined;
    const visit = new Visit({
      ...how,
      generation,
      cut: async () => void (await request('/cut', { method: 'POST' })),
      read: async (url) => (await request(url)).text(),
    });
    try {
      return await feature.see(visit);
    } finally {
      await visit.end();
    }
  },
  /** By what the client asked to negotiate: `fetch` or `xmlhttprequest`. */
  async initiators(): Promise<string[]> {
    const entries = performance.getEntriesByType('resource');
    const negotiates = entries.filter(({ name }) => name.includes('/negotiate'));
    return [...new Set(negotiates.map((entry) => String(Reflect.get(entry, 'initiatorType'))))];
  },
};

type Call = { readonly name: 'play'; readonly order: Order } | { readonly name: 'initiators' };

/** The worker answers one call after the other, over the port that came with it. */
function serve(): void {
  addEventListener('message', ({ data, ports: [port] }: MessageEvent<Call>) => {
    const seen: Promise<unknown> = data.name === 'play' ? own.play(data.order) : own.initiators();
    seen.then(
      (value) => port?.postMessage({ value }),
      (error: unknown) => port?.postMessage({ error: String(error) }),
    );
  });
}

function ask(worker: Worker, call: Call): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  worker.postMessage(call, [port2]);
  return new Promise((resolve, reject) => {
    port1.addEventListener('message', ({ data }: MessageEvent<{ value?: unknown; error?: string }>) => {
      if (data.error === undefined) resolve(data.value);
      else reject(new Error(data.error));
    });
    port1.start();
  });
}

if (typeof document === 'undefined') {
  serve();
} else if (location.search === '?worker') {
  const worker = new Worker('/worker.js');
  Object.assign(globalThis, {
    play: (order: Order) => ask(worker, { name: 'play', order }),
    initiators: () => ask(worker, { name: 'initiators' }),
  });
} else {
  if (location.search === '?xhr') Reflect.deleteProperty(globalThis, 'fetch');
  Object.assign(globalThis, own);
}
