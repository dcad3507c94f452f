/** The demo's HTTP API, as the pages call it. Knows nothing of what is shown. */
import { apiKey } from './api-key.ts';
import type { EventKind, Opened, Order, OrderTrace, ProviderCall } from './order.ts';

/** Refused as a page of another site: mostly the right server, opened under another of its names. */
const WRONG_ADDRESS =
  'This page was opened under an address that the server does not take for its own. Use the one that it printed.';

/** Why a call failed, in words for people. */
export class ShopError extends Error {
  override readonly name = 'ShopError';
  /** 0: the server did not answer. */
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }

  /** Whether the same call may succeed in a moment. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export function createOrder(signal?: AbortSignal): Promise<Order> {
  return call('/demo/orders', { method: 'POST', signal });
}

export function openTransactionOf(order: string, signal?: AbortSignal): Promise<Opened> {
  return call(`${pathOf(order)}/transaction`, { method: 'POST', signal });
}

export function traceOrder(order: string, signal?: AbortSignal): Promise<OrderTrace> {
  return call(pathOf(order), { signal });
}

export async function sendEvents(order: string, kind: EventKind): Promise<readonly ProviderCall[]> {
  const answer = await call<{ calls: readonly ProviderCall[] }>(`${pathOf(order)}/events`, { method: 'POST', body: { kind } });
  return answer.calls;
}

/** The shop has what it wanted: no more messages will come. */
export async function settleOrder(order: string): Promise<void> {
  await call(`${pathOf(order)}/settle`, { method: 'POST' });
}

function pathOf(order: string): string {
  return `/demo/orders/${encodeURIComponent(order)}`;
}

interface CallOptions {
  readonly method?: 'POST';
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

async function call<Answer>(path: string, { method, body, signal }: CallOptions): Promise<Answer> {
  const key = apiKey.get();
  const response = await fetch(path, {
    ...(method === 'POST' && { method, body: JSON.stringify(body ?? {}) }),
    headers: {
      ...(method === 'POST' && { 'content-type': 'application/json' }),
      ...(key !== null && { authorization: `Bearer ${key}` }),
    },
    ...(signal !== undefined && { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    throw new ShopError(0, 'The server does not answer.');
  });
  if (response.status === 401) apiKey.refuse(key);
  if (!response.ok) throw new ShopError(response.status, response.status === 403 ? WRONG_ADDRESS : await problemText(response));
  return response.json();
}

async function problemText(response: Response): Promise<string> {
  try {
    const problem: { title?: string; detail?: string } = await response.json();
    return problem.detail ?? problem.title ?? response.statusText;
  } catch {
    return `The server answered ${response.status}.`;
  }
}
