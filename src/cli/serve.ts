/** `ringback serve`: starts the server, says where it listens, and stops it when told to. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { systemClock } from '../clock.ts';
import { configurationFileName, configurationFileOption, namedOptions, resolveConfiguration } from '../server/configuration.ts';
import type { Configuration, FlagValue, NamedOption } from '../server/configuration.ts';
import { serverApiKeys } from './api-key.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './output.ts';
import { readConfigurationFile } from './serve/configuration-file.ts';
import { keepHeapSmall } from './serve/heap.ts';
import { createLogger } from './serve/logger.ts';
import type { ProcessLogger } from './serve/logger.ts';
import { explainStart, isStoreInUse } from './serve/start-failure.ts';
import { Stop } from './serve/stop.ts';

/** @param end takes the exit code of a server that was stopped */
export function addServe(program: Command, end: (exitCode: number) => void): void {
  const command = program.command('serve').description('Start the server.');
  for (const option of [...namedOptions, configurationFileOption]) addFlag(command, option);
  command
    .addHelpText(
      'after',
      '\nEvery option can be set as an environment variable RINGBACK_<OPTION> and in the configuration file too.',
    )
    .action(async (values: Readonly<Record<string, FlagValue | undefined>>) => end(await run(flagsByKey(command, values))));
}

function addFlag(command: Command, option: NamedOption): void {
  const { flag, argument, kind, text } = option;
  const words = `${text} (default: ${option.default})`;
  if (kind === 'switch') {
    command.addOption(new Option(`--${flag}`, words)).addOption(new Option(`--no-${flag}`, `Not --${flag}.`).hideHelp());
    return;
  }
  const declared = new Option(`--${flag} ${argument}`, kind === 'list' ? `${words} (repeatable)` : words).hideHelp(
    option.hidden ?? false,
  );
  // One value an option, where commander's own lists would swallow what follows.
  if (kind === 'list') declared.argParser<string[]>((value, before) => [...(before ?? []), value]);
  command.addOption(declared);
}

/** Commander names values after flags; the configuration after keys (`--allowed-origin`, `allowedOrigins`). */
function flagsByKey(
  command: Command,
  values: Readonly<Record<string, FlagValue | undefined>>,
): Readonly<Record<string, FlagValue | undefined>> {
  const attributes = new Map(command.options.map((option) => [option.long, option.attributeName()]));
  const known = [...namedOptions, configurationFileOption];
  return Object.fromEntries(known.map(({ key, flag }) => [key, values[attributes.get(`--${flag}`) ?? key]]));
}

async function run(flags: Readonly<Record<string, FlagValue | undefined>>): Promise<number> {
  const sources = { flags, environment: process.env };
  const file = configurationFileName(sources);
  const configuration = resolveConfiguration(file === undefined ? sources : { ...sources, file: readConfigurationFile(file) });
  if (configuration.lean) keepHeapSmall();
  const logger = createLogger(configuration.logLevel);
  logger.exitOnCrash();
  const stop = new Stop({ drainSeconds: configuration.drainSeconds, clock: systemClock, logger });
  stop.watch(process);
  const server = await start(configuration, logger);
  await printLine(`ringback listening on ${server.url}`).catch(() => undefined);
  return stop.run(() => server.drain());
}

async function start(configuration: Configuration, logger: ProcessLogger): Promise<{ url: string; drain(): Promise<void> }> {
  const { keys, file, undo } = await serverApiKeys(configuration.store, logger);
  try {
    // Loaded only here: the other commands start without the server's code.
    const { serve } = await import('../server/serve.ts');
    const server = await serve(configuration, { apiKeys: keys, logger });
    if (file !== undefined) logger.always({ event: 'api_key.file', file }, `the API key is in ${file}`);
    return server;
  } catch (error) {
    if (!isStoreInUse(error)) await undo();
    const known = explainStart(error, configuration);
    if (known !== undefined) throw new CommandFailure(known);
    throw error;
  }
}
