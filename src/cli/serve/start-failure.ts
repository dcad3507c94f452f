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
const KNOWN_ERRORS = ['StoreInUseError', 'StoreFileError', 'RingbackError'];

/** One line, or undefined for a fault of our own. */
export function explainStart(error: unknown, { host, port }: Configuration): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const fault = LISTEN_FAULTS[systemCode(error) ?? ''];
  if (fault !== undefined && isAboutListening(error)) {
    // The port of the metrics may be the one.
    const at = 'port' in error && typeof error.port === 'number' ? error.port : port;
    return `cannot listen on ${host.includes(':') ? `[${host}]` : host}:${at}: ${fault} (${systemCode(error)})`;
  }
  return KNOWN_ERRORS.includes(error.name) ? error.message : undefined;
}

/** Another process has the store: what is beside its file is that process's now. */
export function isStoreInUse(error: unknown): boolean {
  return error instanceof Error && error.name === 'StoreInUseError';
}

function isAboutListening(error: Error): boolean {
  return 'syscall' in error && (error.syscall === 'listen' || error.syscall === 'getaddrinfo' || error.syscall === 'bind');
}
