/**
 * A hub method whose argument types follow from its declared parameters.
 */
import type { DeclaredMethod, Parameter } from './hub-options.ts';
import type { HubConnection } from './hub-connection.ts';

type Arguments<Parameters extends readonly Parameter[]> = {
  -readonly [Index in keyof Parameters]: Parameters[Index] extends Parameter<infer T> ? T : never;
};

export interface MethodOptions<P, Items, Parameters extends readonly Parameter[]> {
  /** One for each argument; it returns what the method gets, or throws. */
  readonly parameters: Parameters;
  authorize?(caller: HubConnection<P, Items>): boolean | Promise<boolean>;
  run(caller: HubConnection<P, Items>, ...args: Arguments<Parameters>): unknown;
}

export function method<P, Items, const Parameters extends readonly Parameter[]>(
  options: MethodOptions<P, Items, Parameters>,
): DeclaredMethod<P, Items> {
  const { parameters, authorize, run } = options;
  return {
    parameters,
    ...(authorize && { authorize }),
    // The dispatcher passes what the parameters returned, one for one, which the compiler cannot see.
    run: (caller, ...args): unknown => Reflect.apply(run, undefined, [caller, ...args]),
  };
}
