/** `ringback open`: opens a transaction and prints what the server answered. */
import type { Command } from 'commander';
import { clientApiKey } from './api-key.ts';
import { callApi, serverUrl, urlOption } from './api.ts';
import { jsonText, wholeNumber } from './argument.ts';
import { printLine } from './output.ts';
import { storeLocation, storeOption } from './store-option.ts';

interface OpenFlags {
  readonly url?: string;
  readonly store?: string;
  readonly ttlSeconds?: string;
  readonly reference?: string;
  readonly metadata?: string;
}

export function addOpen(program: Command): void {
  program
    .command('open')
    .description('Open a transaction; prints its id, access token and addresses.')
    .option('--ttl-seconds <seconds>', 'how long it takes messages')
    .option('--reference <reference>', "the app's own name for it")
    .option('--metadata <json>', 'an object kept with it')
    .addOption(urlOption())
    .addOption(storeOption())
    .action(async (flags: OpenFlags) => {
      const url = serverUrl(flags.url);
      const body = openBody(flags);
      const bearer = await clientApiKey(storeLocation(flags.store));
      await printLine(await callApi({ url: `${url}/v1/transactions`, bearer, body }));
    });
}

function openBody({ ttlSeconds, reference, metadata }: OpenFlags): string {
  const members = [
    ...(ttlSeconds === undefined ? [] : [`"ttlSeconds":${wholeNumber('--ttl-seconds', ttlSeconds, 1)}`]),
    ...(reference === undefined ? [] : [`"reference":${JSON.stringify(reference)}`]),
    ...(metadata === undefined ? [] : [`"metadata":${jsonText('--metadata', metadata)}`]),
  ];
  return `{${members.join(',')}}`;
}
