/**
 * A hub method whose argument types follow from its declared parameters.
 */
import type { AnyMethods, Methods } from './hub-clients.ts';
import type { HubContext } from './hub-context.ts';
import { type DeclaredMethod, isDeclared, isGenerator } from './hub-method.ts';
import type { AnyParameter, ArgumentsFor, PassedFor } from './parameter.ts';

/** A method of which the compiler knows what clients pass and get. */
export interface TypedMethod<P, Items, Client extends Methods, Args extends readonly unknown[], Result> extends DeclaredMethod<
  P,
  Items,
  Client
> {
  /** Never there at run time. */
  readonly signature?: (...args: Args) => Result;
}

export interface MethodOptions<
  P,
  Items,
  Parameters extends readonly AnyParameter[],
  Client extends Methods = AnyMethods,
  Result = unknown,
> {
  /**
   * One for each argument; it returns what the method gets, or throws. See {@link optional} for what may be left out, {@link upload}
   * for streams of the client.
   */
  readonly parameters: Parameters;
  /** See {@link DeclaredMethod.streaming}. */
  readonly streaming?: boolean;
  authorize?(context: HubContext<P, Items, Client>): boolean | Promise<boolean>;
  run(context: HubContext<P, Items, Client>, ...args: ArgumentsFor<Parameters>): Result;
}

/** @throws TypeError without a function to run */
export function method<
  P,
  Items,
  const Parameters extends readonly AnyParameter[],
  Client extends Methods = AnyMethods,
  Result = unknown,
>(options: MethodOptions<P, Items, Parameters, Client, Result>): TypedMethod<P, Items, Client, PassedFor<Parameters>, Result> {
  if (!isDeclared(options)) throw new TypeError('method() takes { parameters, run }, of which run must be a function');
  const { parameters, authorize, run, streaming = isGenerator(run) } = options;
  return {
    parameters,
    streaming,
    ...(authorize && { authorize }),
    // The dispatcher passes what the parameters returned, one for one, which the compiler cannot see.
    run: (context, ...args): unknown => Reflect.apply(run, undefined, [context, ...args]),
  };
}
