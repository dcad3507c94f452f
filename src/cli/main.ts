#!/usr/bin/env node
/** The program `ringback`: finds the command, and turns its end into an exit code. */
import { Command, CommanderError } from 'commander';
import { ConfigurationError } from '../server/configuration.ts';
import { didYouMean } from '../server/configuration/configuration-error.ts';
import { version } from '../server/version.ts';
import { CommandFailure, EXIT_DONE, EXIT_FAILED, EXIT_WRONG_USAGE } from './failure.ts';
import { addListen } from './listen.ts';
import { addOpen } from './open.ts';
import { surviveClosedPipes, talk } from './output.ts';
import { addSend } from './send.ts';
import { addServe } from './serve.ts';

/** The exit code that a command asks for when it is done. */
let exitCode = EXIT_DONE;

function program(): Command {
  const command = new Command('ringback')
    .description('Makes an HTTP call reach the one browser that waits for it, durably.')
    .version(version, '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ showGlobalOptions: false })
    // What is wrong is told by this file, in one line.
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  const end = (code: number): void => {
    exitCode = code;
  };
  addServe(command, end);
  addOpen(command);
  addSend(command, end);
  addListen(command, end);
  return command;
}

/** Says what went wrong and returns the exit code for it. */
function explain(error: unknown, flags: readonly string[]): number {
  if (error instanceof CommanderError) return explainUsage(error, flags);
  if (error instanceof ConfigurationError) {
    talk(error.message);
    return EXIT_WRONG_USAGE;
  }
  if (error instanceof CommandFailure) {
    talk(error.message);
    return error.exitCode;
  }
  talk(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT_FAILED;
}

function explainUsage(error: CommanderError, flags: readonly string[]): number {
  if (error.exitCode === 0) return EXIT_DONE;
  // Without a command, the help itself is the message.
  if (error.code !== 'commander.help') talk(withoutValues(error, flags));
  return EXIT_WRONG_USAGE;
}

/** Commander repeats what was typed, and that may be a token. */
function withoutValues({ code, message }: CommanderError, flags: readonly string[]): string {
  const line = message.replace(/^error: /, '').replaceAll('\n', ' ');
  if (code === 'commander.excessArguments') return line.replace(/(but got \d+).*$/s, '$1');
  if (code !== 'commander.unknownOption') return line;
  const option = /'(--[^'=]*|-.)/.exec(line)?.[1] ?? '';
  return `unknown option ${option}; ${didYouMean(option, flags)}`;
}

/** The flags of the command that was called. */
function flagsOf(command: Command): readonly string[] {
  const called = command.commands.find((candidate) => process.argv.includes(candidate.name())) ?? command;
  return [...called.options.flatMap((option) => (option.hidden ? [] : [option.long ?? ''])), '--help'];
}

surviveClosedPipes();
const ringback = program();
try {
  await ringback.parseAsync();
} catch (error) {
  exitCode = explain(error, flagsOf(ringback));
}
process.exit(exitCode);
