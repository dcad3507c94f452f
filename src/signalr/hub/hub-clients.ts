/**
 * Whom a hub can talk to. Names and arguments of the client's methods are checked where the app has said what they are.
 */

/** The methods of one side, by name. What they return is the result of an invocation. */
export type Methods = object;

export type NameOf<M extends Methods> = keyof M & string;

/** Of a method; anything where it is not known. */
export type ArgumentsOf<M extends Methods, Name extends NameOf<M>> = M[Name] extends (...args: infer Args) => unknown
  ? Args
  : unknown[];

export type ResultOf<M extends Methods, Name extends NameOf<M>> = M[Name] extends (...args: never[]) => infer Result
  ? Awaited<Result>
  : unknown;

/** A side of which nothing is known: every name, any arguments. */
export type AnyMethods = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** Of connections, groups or users. (Any iterable would do, but then so would a single text, letter by letter.) */
export type Names = readonly string[] | ReadonlySet<string>;

export interface InvokeOptions {
  /** The wait ends with an error after this time. Default: the hub's `clientResultTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the wait with an error. */
  readonly signal?: AbortSignal;
}

export interface ClientProxy<Client extends Methods = AnyMethods> {
  /**
   * Calls a method of these clients, without an answer. Whoever is not there, or leaves, does not get it, which is no error.
   * Resolves when it is handed over to all of their connections, not when it has arrived.
   * @throws TypeError or RangeError at once, awaited or not, when an argument cannot be encoded
   */
  send<Name extends NameOf<Client>>(target: Name, ...args: ArgumentsOf<Client, Name>): Promise<void>;
}

export interface SingleClientProxy<Client extends Methods = AnyMethods> extends ClientProxy<Client> {
  /**
   * Calls a method of this client and waits for what it returns, which nobody has checked: it is the client's word. Not in
   * `onConnected`. The call that waits no longer counts among those that may run at the same time. A failure that nobody awaits is told to nobody.
   * @throws HubError with the client's text, or when the wait is over; Error when there is no such connection, or it ends meanwhile
   */
  invoke<Name extends NameOf<Client>>(
    target: Name,
    args: ArgumentsOf<Client, Name>,
    options?: InvokeOptions,
  ): Promise<ResultOf<Client, Name>>;
}

export interface HubClients<Client extends Methods = AnyMethods> {
  readonly all: ClientProxy<Client>;
  allExcept(connectionIds: Names): ClientProxy<Client>;
  client(connectionId: string): SingleClientProxy<Client>;
  clients(connectionIds: Names): ClientProxy<Client>;
  group(name: string): ClientProxy<Client>;
  /** A connection that is in two of them gets it twice. */
  groups(names: Names): ClientProxy<Client>;
  groupExcept(name: string, connectionIds: Names): ClientProxy<Client>;
  /** All connections of this user. */
  user(id: string): ClientProxy<Client>;
  users(ids: Names): ClientProxy<Client>;
}

/** The same, seen from one of the clients. */
export interface CallerClients<Client extends Methods = AnyMethods> extends HubClients<Client> {
  readonly caller: SingleClientProxy<Client>;
  readonly others: ClientProxy<Client>;
  othersInGroup(name: string): ClientProxy<Client>;
}

/** Membership belongs to a connection and ends with it. Names are case-sensitive; a group exists while it has members. */
export interface Groups {
  /** Without effect when it is a member already, or when there is no such connection. */
  add(connectionId: string, name: string): Promise<void>;
  remove(connectionId: string, name: string): Promise<void>;
}
