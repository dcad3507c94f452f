/**
 * A hub whose methods, and whose calls of its clients, the compiler checks against a contract.
 */
import type { Contract, ContractOptions } from './contract.ts';
import { Hub } from './hub.ts';
import type { HubOptions } from './hub/hub-options.ts';

/**
 * `createHub<Chat>({ methods: { … } })`: every method of the contract must be there, and none besides. Mount what it returns
 * with an `Endpoint`, which also decides who may connect.
 *
 * A plain function gets its arguments as `unknown`, because any client can send anything; declare them with `method()`.
 * @throws TypeError when an option is unknown or not what it must be, or two methods have the same name but for case
 */
export function createHub<C extends Contract, P = undefined, Items = unknown>(
  options: ContractOptions<C, P, Items>,
): Hub<P, Items, C['client']>;
// The methods are checked above, by name; here they are any methods.
export function createHub(options: HubOptions<unknown>): Hub<unknown> {
  return new Hub(options);
}
