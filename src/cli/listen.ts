/** `ringback listen`: prints the messages of one transaction as they come, and acks what it printed. */
import type { Command } from 'commander';
import { serverUrl, urlOption } from './api.ts';
import { wholeNumber } from './argument.ts';
import { EXIT_DONE, EXIT_FAILED, wrongUsage } from './failure.ts';
import { Listener } from './listen/listener.ts';
import { printLine, talk } from './output.ts';

interface ListenFlags {
  readonly token?: string;
  readonly once?: string;
  readonly after?: string;
  readonly url?: string;
}

/** By which shells tell that an interrupt ended a program. */
const EXIT_INTERRUPTED = 130;
const EXIT_TERMINATED = 143;

/** @param end takes the exit code */
export function addListen(program: Command, end: (exitCode: number) => void): void {
  program
    .command('listen')
    .description('Print the messages of a transaction as they come; each is acked when it was printed.')
    .argument('<id>', 'the transaction')
    .option('--token <token>', 'its access token (default: RINGBACK_TOKEN, which no process list shows)')
    .option('--once <type>', 'end after the first message of this type')
    .option('--after <sequence>', 'begin after this message, instead of after the last one that was acked')
    .addOption(urlOption())
    .action(async (transactionId: string, flags: ListenFlags) => end(await listen(transactionId, flags)));
}

async function listen(transactionId: string, flags: ListenFlags): Promise<number> {
  const token = flags.token ?? process.env['RINGBACK_TOKEN'] ?? '';
  if (token === '') throw wrongUsage('--token: expected the access token of the transaction');
  const interrupt = new AbortController();
  const code = codeOfSignals(interrupt);
  const listener = new Listener({
    url: serverUrl(flags.url),
    transactionId,
    token,
    after: flags.after === undefined ? undefined : wholeNumber('--after', flags.after, 0),
    once: flags.once,
    print: (message) => printLine(JSON.stringify(message)),
    talk,
    signal: interrupt.signal,
  });
  const result = await listener.run();
  if (result.outcome === 'stopped') return code();
  if (result.outcome === 'failed') talk(result.reason);
  return result.outcome === 'failed' ? EXIT_FAILED : EXIT_DONE;
}

/** The first signal ends it in order: what was printed is still acked. A second one ends it at once. */
function codeOfSignals(interrupt: AbortController): () => number {
  let code = EXIT_INTERRUPTED;
  const stop = (signalCode: number): void => {
    if (interrupt.signal.aborted) process.exit(signalCode);
    code = signalCode;
    interrupt.abort();
  };
  process.on('SIGINT', () => stop(EXIT_INTERRUPTED));
  process.on('SIGTERM', () => stop(EXIT_TERMINATED));
  return () => code;
}
