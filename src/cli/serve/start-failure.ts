/** Why a server did not start, for the causes that a person can remove. */
import type { Configuration } from '../../server/configuration.ts';
import { systemCode } from '../failure.ts';

const LISTEN_FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'the port needs more rights than this process has',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'there is no such host',
  EINVAL: 'this machine has no such address',
  EAFNOSUPPORT: 'this machine has no such kind of address',
};

/** Their messages are made for people. Known by name, since only the composition root knows which store there is. */
const KNOWN_ERRORS = ['StoreInUseError', 'StoreFileError', 'StoreDatabaseError', 'RingbackError'];

/** One line, or undefined for a fault of our own. */
export function explainStart(error: unknown, { host, port }: Configuration): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const fault = LISTEN_FAULTS[systemCode(error) ?? ''];
  if (fault !== undefined && isAboutListening(error)) {
    // The port of the metrics may be the one, and so may that of the peers and their host.
    const at = 'port' in error && typeof error.port === 'number' ? error.port : port;
    const name = nameIn(error) ?? host;
    const place = `${name.includes(':') ? `[${name}]` : name}:${at}`;
    return `cannot listen on ${place}: ${fault} (${systemCode(error)})${hint(error)}`;
  }
  return KNOWN_ERRORS.includes(error.name) ? error.message : undefined;
}

/** That the port is not the usual one is not to be seen from its number. */
function hint(error: Error): string {
  switch ('option' in error ? error.option : undefined) {
    case '--metrics-port':
      return '; see --metrics-port';
    case '--peer-port':
      return '; see --peer-port and --peer-host';
    default:
      return '';
  }
}

/** Another process has the store: what is beside its file is that process's now. */
export function isStoreInUse(error: unknown): boolean {
  return error instanceof Error && error.name === 'StoreInUseError';
}

function nameIn(error: Error): string | undefined {
  if ('hostname' in error && typeof error.hostname === 'string') return error.hostname;
  return 'address' in error && typeof error.address === 'string' ? error.address : undefined;
}

function isAboutListening(error: Error): boolean {
  return 'syscall' in error && (error.syscall === 'listen' || error.syscall === 'getaddrinfo' || error.syscall === 'bind');
}
