/** The log of the server process: JSON lines on stderr, written before the call returns, so that none is lost at an exit. */
import pino from 'pino';
import type { Logger } from '../../logger.ts';
import type { LogLevel } from '../../server/configuration.ts';
import { EXIT_FAILED } from '../failure.ts';

const STDERR = 2;

export interface ProcessLogger extends Logger {
  /** Logs whatever the level is: for what a person must know to use this start at all. */
  always(fields: object, message: string): void;
  /** From now on a fault that nobody caught is logged and ends the process with 1. */
  exitOnCrash(): void;
}

export function createLogger(level: LogLevel): ProcessLogger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(options, pino.destination({ dest: STDERR, sync: true }));
  const loud = logger.child({}, { level: 'info' });
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    always: (fields, message) => loud.info(fields, message),
    exitOnCrash: () => {
      process.on('uncaughtException', (error) => {
        logger.error({ event: 'process.crashed', err: error }, 'a fault that nobody caught');
        process.exit(EXIT_FAILED);
      });
    },
  };
}
