/** Why a database cannot be reached or used, in words for who has written its URL; never with the password. */
import { sqlState } from './faults.ts';

/** As the driver takes them; another word would mean TLS whose certificate is checked. */
const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
const USUAL_PORT = '5432';

interface Target {
  /** Host and port. */
  readonly at: string;
  readonly host: string;
  readonly database: string;
  readonly user: string;
}

/** What is wrong with a URL, before anybody is asked; undefined: nothing that can be seen. */
export function problemOf(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (parsed === null) return 'expected a URL, postgres://<user>:<password>@<host>:<port>/<database>';
  const part = Object.entries({
    user: parsed.username,
    password: parsed.password,
    host: parsed.hostname,
    'name of the database': parsed.pathname,
    parameters: parsed.search,
  }).find(([, text]) => !isDecodable(text))?.[0];
  if (part !== undefined) return `in its URL the ${part} has a % that begins no escape; a percent sign is written %25`;
  const mode = parsed.searchParams.get('sslmode');
  if (mode !== null && !SSL_MODES.includes(mode))
    return `expected sslmode to be ${SSL_MODES.join(', ')}, got ${JSON.stringify(mode)}`;
  const port = parsed.searchParams.get('port');
  if (port !== null && !/^\d{1,5}$/.test(port)) return `expected port to be a number, got ${JSON.stringify(port)}`;
  return undefined;
}

/** @param url in which {@link problemOf} finds nothing */
export function reasonOf(error: unknown, url: string): string {
  const target = targetOf(url);
  const message = error instanceof Error && error.message !== '' ? error.message : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const state = sqlState(error);
  return ofServer(state, target) ?? ofWay(code, target) ?? ofDriver(message, target) ?? `${message} (at ${target.at})`;
}

function ofServer(state: string | undefined, { at, user, database }: Target): string | undefined {
  switch (state) {
    case '28P01':
      return `the server at ${at} refuses the password of the user ${user}`;
    case '3D000':
      return `there is no database ${database} at ${at}`;
    default:
      return undefined;
  }
}

function ofWay(code: string, { at, host }: Target): string | undefined {
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens at ${at} (${code})`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host ${host} is not found (${code})`;
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${at} cannot be reached (${code})`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `the connection to ${at} was cut off (${code})`;
    default:
      return undefined;
  }
}

/** What only its words tell. */
function ofDriver(message: string, { at, user }: Target): string | undefined {
  if (/password must be a string/.test(message))
    return `the server at ${at} asks for a password of the user ${user}, and the URL has none`;
  if (/timeout expired|connection timeout|Query read timeout/.test(message)) return `${at} does not answer in time`;
  if (/Connection terminated/.test(message)) return `the connection to ${at} was cut off`;
  return undefined;
}

function targetOf(url: string): Target {
  const { hostname, port, pathname, username, searchParams } = new URL(url);
  const host = (searchParams.get('host') ?? decodeURIComponent(hostname)) || 'localhost';
  const realPort = (searchParams.get('port') ?? port) || process.env['PGPORT'] || USUAL_PORT;
  return {
    host,
    at: `${host}:${realPort}`,
    database: JSON.stringify(decodeURIComponent(pathname.slice(1))),
    user: JSON.stringify(searchParams.get('user') ?? decodeURIComponent(username)),
  };
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
