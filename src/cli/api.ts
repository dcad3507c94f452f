/** Calls of the HTTP API as the commands need them: one POST or GET, and errors as people read them. */
import { Option } from 'commander';
import { parseJsonText } from '../json/json-text.ts';
import { readPublicUrl } from '../server/configuration/addresses.ts';
import { CommandFailure, systemCode, wrongUsage } from './failure.ts';

const DEFAULT_URL = 'http://127.0.0.1:8080';
const TIMEOUT_MS = 30_000;
/** More than any answer of ours nests. */
const ANSWER_DEPTH = 1000;

/** `--url`, for every command that calls a server. */
export function urlOption(): Option {
  return new Option('--url <url>', `URL of the server (default: RINGBACK_URL, else ${DEFAULT_URL})`);
}

/** The server to call, without a slash at the end. An empty variable counts as absent. */
export function serverUrl(flag: string | undefined): string {
  const reading = readPublicUrl(flag ?? (process.env['RINGBACK_URL'] || DEFAULT_URL));
  if ('value' in reading) return reading.value;
  throw wrongUsage(`${flag === undefined ? 'RINGBACK_URL' : '--url'}: ${reading.problem}`);
}

export interface ApiRequest {
  readonly url: string;
  /** The API key or access token. */
  readonly bearer: string;
  /** JSON; absent: a GET. */
  readonly body?: string;
  /** How long the server may wait for the page before it answers. */
  readonly waitSeconds?: number;
}

/** The answer was an error. */
export class ApiFailure extends CommandFailure {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/**
 * Returns the answer as compact JSON, digit for digit what the server said.
 *
 * @throws ApiFailure with `code: detail` of the server's answer
 * @throws CommandFailure when there is no answer
 */
export async function callApi({ url, bearer, body, waitSeconds = 0 }: ApiRequest): Promise<string> {
  const headers: Record<string, string> = { accept: 'application/json', authorization: `Bearer ${bearer}` };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (waitSeconds > 0) headers['prefer'] = `wait=${waitSeconds}`;
  const signal = AbortSignal.timeout(TIMEOUT_MS + waitSeconds * 1000);
  try {
    const init = { headers, redirect: 'error', signal } as const;
    const response = await fetch(url, body === undefined ? init : { ...init, method: 'POST', body });
    return answer(response, await response.text());
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(`cannot reach ${new URL(url).origin}: ${reason(error)}`);
  }
}

function answer(response: Response, text: string): string {
  if (!response.ok) throw new ApiFailure(problemText(response.status, text), response.status);
  try {
    return parseJsonText(text, ANSWER_DEPTH).compact;
  } catch {
    throw new CommandFailure(`${new URL(response.url).origin} does not answer like a Ringback server`);
  }
}

/** `code: detail`, and each field that was wrong. */
function problemText(status: number, text: string): string {
  const problem = objectOf(text);
  if (typeof problem['code'] !== 'string') return `the server answered ${status}`;
  const detail = [problem['detail'], problem['title']].find((part) => typeof part === 'string') ?? `status ${status}`;
  const faults = Array.isArray(problem['errors']) ? problem['errors'].flatMap(faultText) : [];
  return `${problem['code']}: ${detail}${faults.length === 0 ? '' : ` (${faults.join('; ')})`}`;
}

function faultText(fault: unknown): string[] {
  if (typeof fault !== 'object' || fault === null || !('field' in fault) || !('message' in fault)) return [];
  return [`${String(fault.field)}: ${String(fault.message)}`];
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function reason(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return 'no answer in time';
  const code = systemCode(error);
  if (code !== undefined && code !== 'UND_ERR_INVALID_ARG')
    return code === 'ECONNREFUSED' ? 'nothing listens there (ECONNREFUSED)' : code;
  return error instanceof Error ? error.message : String(error);
}
