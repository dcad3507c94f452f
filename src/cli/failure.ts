/** How a command ends when it does not succeed: one line for people, and an exit code. */

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_WRONG_USAGE = 2;

/** The message is shown as it stands, so it holds no secret. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** An argument, option, variable or file that cannot be used. */
export function wrongUsage(message: string): CommandFailure {
  return new CommandFailure(message, EXIT_WRONG_USAGE);
}

/** The `code` of a system error (`ENOENT`), wherever in the chain of causes it is. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return error.errors.map(systemCode).find((code) => code !== undefined);
  return systemCode(error.cause);
}
