/** The table of options: the one place where an option, its default and its words are written down. */
import { z } from 'zod';
import { HOST_FORM, NETWORK_FORM, ORIGIN_FORM, PUBLIC_URL_FORM } from './addresses.ts';
import { readHost, readNetwork, readOrigin, readPublicUrl } from './addresses.ts';
import { didYouMean, oneOf, shown } from './configuration-error.ts';
import { limitsSchema, LONGEST_SECONDS } from './limits.ts';
import { BACKPLANE_FORMS, readBackplane, readStore, STORE_FORMS } from './locations.ts';
import { integer, optional, withDefault, written } from './option.ts';
import type { OptionNote, Reading } from './option.ts';
import { webhooksSchema } from './webhook-sources.ts';

/** A drain is a matter of seconds; a day is surely a mistake in the unit. */
const LONGEST_DRAIN_SECONDS = 86_400;

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const switchSchema = z.boolean({ error: 'expected true or false' });
const port = integer(0, 65_535);
const origins = z.array(written(ORIGIN_FORM, readOrigin), { error: 'expected a list of origins' });
const networks = z.array(written(NETWORK_FORM, readNetwork), { error: 'expected a list of networks' });
const logLevel = written(oneOf(LOG_LEVELS), (text): Reading<LogLevel> => {
  const level = LOG_LEVELS.find((name) => name === text);
  return level === undefined
    ? { problem: `there is no level ${shown(text)}; ${didYouMean(text, LOG_LEVELS)}` }
    : { value: level };
});
const future = z.unknown().transform((_value, context): undefined => {
  context.addIssue({ code: 'custom', message: 'Azure SignalR Service is not supported yet; expected no such option' });
  return z.NEVER;
});

export const configurationSchema = z.strictObject({
  host: withDefault(written(HOST_FORM, readHost), '127.0.0.1', {
    flag: 'host',
    argument: '<host>',
    text: 'Address to listen on; 0.0.0.0 or :: for every one.',
  }),
  port: withDefault(port, 8080, {
    flag: 'port',
    kind: 'number',
    argument: '<port>',
    text: 'Port to listen on; 0 for any free one. The variable PORT is heeded where RINGBACK_PORT is not set.',
  }),
  store: withDefault(written(STORE_FORMS, readStore), 'sqlite:./data/ringback.db', {
    flag: 'store',
    argument: '<location>',
    text: `Where transactions are kept: ${STORE_FORMS}, which keeps nothing.`,
  }),
  backplane: optional(written(BACKPLANE_FORMS, readBackplane), {
    flag: 'backplane',
    argument: '<location>',
    text: 'How instances tell each other of new messages: postgres: through the database of the store, memory: within one.',
    default: 'postgres: with a PostgreSQL store, else memory:',
  }),
  allowedOrigins: optional(origins, {
    flag: 'allowed-origin',
    kind: 'list',
    argument: '<origin>',
    text: 'Origin whose pages may connect and open transactions; replaces the default list.',
    default: 'the origin of the public URL, else the listen address',
  }),
  trustedProxies: withDefault(networks, [], {
    flag: 'trusted-proxy',
    kind: 'list',
    argument: '<cidr>',
    text: 'Network of a reverse proxy whose X-Forwarded-For is believed.',
    default: 'none',
  }),
  publicUrl: optional(written(PUBLIC_URL_FORM, readPublicUrl), {
    flag: 'public-url',
    argument: '<url>',
    text: 'The URL under which browsers and providers reach the server.',
    default: 'the listen address',
  }),
  peerHost: optional(written(HOST_FORM, readHost), {
    flag: 'peer-host',
    argument: '<host>',
    text: 'With a store that instances share: address at which the others reach this one.',
    default: 'the local address of the connection to the database',
  }),
  peerPort: withDefault(port, 0, {
    flag: 'peer-port',
    kind: 'number',
    argument: '<port>',
    text: 'Port for it, which only the other instances need to reach; 0 for any free one.',
  }),
  retentionSeconds: withDefault(integer(0, LONGEST_SECONDS), 86_400, {
    flag: 'retention-seconds',
    kind: 'number',
    argument: '<seconds>',
    text: 'How long a settled or expired transaction still answers.',
  }),
  metricsPort: optional(port, {
    flag: 'metrics-port',
    kind: 'number',
    argument: '<port>',
    text: 'Port that serves GET /metrics in Prometheus text; 0 for any free one.',
    default: 'off',
  }),
  drainSeconds: withDefault(integer(0, LONGEST_DRAIN_SECONDS), 10, {
    flag: 'drain-seconds',
    kind: 'number',
    argument: '<seconds>',
    text: 'How long a stop may take; open connections are closed spread over it.',
  }),
  demo: withDefault(switchSchema, false, {
    flag: 'demo',
    kind: 'switch',
    text: 'Serve the demo page and POST /test. Not for production.',
    default: 'off',
  }),
  logLevel: withDefault(logLevel, 'info', {
    flag: 'log-level',
    argument: '<level>',
    text: `What is logged at least: ${oneOf(LOG_LEVELS)}.`,
  }),
  allowTokenInQuery: withDefault(switchSchema, false, {
    flag: 'allow-token-in-query',
    kind: 'switch',
    text: 'Accept an access token in the query of /hub, where proxies may log it.',
    default: 'off',
  }),
  lean: withDefault(switchSchema, false, {
    flag: 'lean',
    kind: 'switch',
    text: 'Spend less memory on an idle connection and more processor time on collecting garbage.',
    default: 'off',
  }),
  azureSignalr: optional(future, {
    flag: 'azure-signalr',
    argument: '<connection string>',
    text: 'Not available yet.',
    default: 'none',
    hidden: true,
  }),
  azureMode: optional(future, {
    flag: 'azure-mode',
    argument: '<mode>',
    text: 'Not available yet.',
    default: 'default',
    hidden: true,
  }),
  limits: limitsSchema.prefault({}),
  webhooks: webhooksSchema.prefault({}),
});

/** The configuration file itself: a flag and a variable, but no key. */
export const fileOption: OptionNote = {
  flag: 'config',
  kind: 'text',
  argument: '<file>',
  text: 'Configuration file (JSON).',
  default: 'none',
};
