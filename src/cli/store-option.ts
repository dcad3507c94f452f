/** `--store` of the commands that look for the API key beside the database; the same default and variable as the server's. */
import { Option } from 'commander';
import { namedOptions, resolveConfiguration } from '../server/configuration.ts';
import type { StoreLocation } from '../server/configuration.ts';

export function storeOption(): Option {
  const note = namedOptions.find((option) => option.key === 'store');
  return new Option(
    '--store <location>',
    `where the server keeps transactions: the API key is beside it (default: ${note?.default})`,
  );
}

/** @throws ConfigurationError */
export function storeLocation(flag: string | undefined): StoreLocation {
  const environment = { RINGBACK_STORE: process.env['RINGBACK_STORE'] };
  return resolveConfiguration({ flags: { store: flag }, environment }).store;
}
