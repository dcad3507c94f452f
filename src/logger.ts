/** What the code logs to; a pino instance fits. Fields carry a stable `event` name and ids, never payloads or secrets. */
export interface Logger {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  /** A person must look. */
  error(fields: object, message?: string): void;
}

const ignore = (): void => undefined;

/** Logs nothing: the default of everything that is used as a library. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
