/**
 * For tests of apps that talk to a SignalR hub.
 */
import type { Contract } from '../signalr/index.ts';
import { type AnyContract, TestHub } from './test-hub.ts';
import type { TestHubOptions } from './test-hub-options.ts';

export type { RefuseOptions } from './refusals.ts';
export type { TestRequest } from './request-log.ts';
export type { TestConnection } from './test-connection.ts';
export type { AnyContract, TestHub, TestInvocation } from './test-hub.ts';
export type { TestHubOptions } from './test-hub-options.ts';

/** Listens on a free port of 127.0.0.1 when it resolves. `await using` ends it. */
export async function startTestHub<C extends Contract = AnyContract>(options: TestHubOptions<C> = {}): Promise<TestHub<C>> {
  return await TestHub.start<C>(options);
}
