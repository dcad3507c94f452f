/** `ringback send`: sends one message to a transaction and prints what the server answered. */
import type { Command } from 'commander';
import { clientApiKey } from './api-key.ts';
import { callApi, serverUrl, urlOption } from './api.ts';
import { jsonTextOrFile, wholeNumber } from './argument.ts';
import { EXIT_FAILED } from './failure.ts';
import { printLine, talk } from './output.ts';
import { storeLocation, storeOption } from './store-option.ts';

interface SendFlags {
  readonly type: string;
  readonly data: string;
  readonly id?: string;
  readonly wait?: string;
  readonly url?: string;
  readonly store?: string;
}

/** @param end takes the exit code: 1 when the page answered that it failed */
export function addSend(program: Command, end: (exitCode: number) => void): void {
  program
    .command('send')
    .description('Send a message to a transaction; prints its id, sequence and status.')
    .argument('<id>', 'the transaction')
    .requiredOption('--type <type>', 'type of the message')
    .requiredOption('--data <json>', 'data of the message: JSON, or @<file> with JSON in it (@- for stdin)')
    .option('--id <key>', 'id of the message; repeating it sends nothing twice')
    .option('--wait <seconds>', 'wait until the page has handled it; the server waits 30 at most')
    .addOption(urlOption())
    .addOption(storeOption())
    .action(async (transactionId: string, flags: SendFlags) => end(await send(transactionId, flags)));
}

async function send(transactionId: string, flags: SendFlags): Promise<number> {
  const { type, id, wait, url, store } = flags;
  const waitSeconds = wait === undefined ? 0 : wholeNumber('--wait', wait, 0);
  const target = `${serverUrl(url)}/v1/transactions/${encodeURIComponent(transactionId)}/messages`;
  const named = id === undefined ? '' : `,"id":${JSON.stringify(id)}`;
  const body = `{"type":${JSON.stringify(type)},"data":${jsonTextOrFile('--data', flags.data)}${named}}`;
  const bearer = await clientApiKey(storeLocation(store));
  const answer = await callApi({ url: target, bearer, body, waitSeconds });
  await printLine(answer);
  if (!hasFailed(answer)) return 0;
  talk('the message was stored, but the page could not handle it');
  return EXIT_FAILED;
}

function hasFailed(answer: string): boolean {
  const value: unknown = JSON.parse(answer);
  return typeof value === 'object' && value !== null && 'status' in value && value.status === 'failed';
}
