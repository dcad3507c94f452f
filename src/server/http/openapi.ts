/** The OpenAPI document, made from the schemas that validate. */
import swagger from '@fastify/swagger';
import type { FastifyContextConfig, FastifyInstance, FastifySchema } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { documented } from './route.ts';
import * as schemas from './schemas.ts';
import { z } from 'zod';
import { errorKinds, type ErrorCode } from '../../errors.ts';
import type { Rule } from '../access.ts';
import { version } from '../version.ts';

const problemSchema = problemJsonSchema();

/** Must come before the routes that it is to see. */
export async function describeOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Ringback',
        version,
        description: 'An HTTP call reaches the one browser that waits for it, and is never lost.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: {
        schemas: { Problem: problemSchema },
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'The key of a back end.' },
          accessToken: { type: 'http', scheme: 'bearer', description: 'The access token of this one transaction.' },
        },
      },
    },
    transform: (document) => {
      const described = jsonSchemaTransform(document);
      return document.schema === undefined
        ? described
        : { ...described, schema: withCommon(described.schema, document.route.config) };
    },
  });
}

export function addOpenApi(app: FastifyInstance): void {
  let document: string | undefined;
  app.get(
    '/openapi.json',
    { schema: { ...documented('This document', 'OpenAPI 3.1.'), response: { 200: schemas.document } } },
    async (_request, reply) => {
      document ??= JSON.stringify(app.swagger(), whereBodiesMayBeAbsent);
      return reply.type('application/json; charset=utf-8').send(document);
    },
  );
}

/** The generator takes every body for required; where all of its members are optional, it may be left out. */
function whereBodiesMayBeAbsent(key: string, value: unknown): unknown {
  if (key !== 'requestBody') return value;
  const isNeeded =
    /"required":\["/.test(JSON.stringify(value)) || !JSON.stringify(value).includes('"additionalProperties":false');
  return typeof value === 'object' ? { ...value, required: isNeeded } : value;
}

/** What every route of a kind has in common: who may call it, and how it fails. */
function withCommon(schema: FastifySchema, config: FastifyContextConfig = {}): FastifySchema {
  const { response } = schema;
  return {
    ...schema,
    ...((config.headers ?? config.requiredHeaders) !== undefined && { headers: headersSchema(config) }),
    security: securityOf(config.rule),
    response: { ...(typeof response === 'object' && response), ...problemResponses(failuresOf(schema, config)) },
  };
}

function headersSchema({ headers = {}, requiredHeaders = {} }: FastifyContextConfig): object {
  const all = Object.entries({ ...headers, ...requiredHeaders });
  const properties = Object.fromEntries(all.map(([name, description]) => [name, { type: 'string', description }]));
  return { type: 'object', properties, required: Object.keys(requiredHeaders) };
}

const BODY_FAILURES = ['invalid_json', 'body_too_large', 'unsupported_media_type', 'json_too_deep', 'invalid_request'] as const;

function failuresOf(
  { body, querystring }: FastifySchema,
  { rule, failures = [], whileDraining }: FastifyContextConfig,
): Set<ErrorCode> {
  return new Set<ErrorCode>([
    ...(rule === undefined ? [] : credentialFailures(rule)),
    ...(body === undefined ? [] : BODY_FAILURES),
    ...(querystring === undefined ? [] : (['invalid_request'] as const)),
    ...failures,
    ...(rule === undefined && whileDraining === undefined ? [] : (['store_unavailable'] as const)),
    'draining',
  ]);
}

function credentialFailures(rule: Rule): readonly ErrorCode[] {
  const always = ['malformed_request', 'rate_limited'] as const;
  switch (rule) {
    case 'api-key':
      return [...always, 'unauthorized', 'wrong_credential'];
    case 'own-token':
      return [...always, 'unauthorized', 'wrong_credential', 'origin_not_allowed'];
    case 'api-key-or-own-token':
    case 'anonymous':
    case 'demo':
      return [...always, 'unauthorized', 'origin_not_allowed'];
    case 'callback':
      return [...always, 'not_found'];
    default:
      return rule satisfies never;
  }
}

function problemJsonSchema(): object {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(schemas.problem, { target: 'draft-2020-12' });
  return schema;
}

/** By status, with the codes that have it. */
function problemResponses(codes: ReadonlySet<ErrorCode>): Record<string, object> {
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  const responses: Record<string, object> = { default: { description: 'A problem (RFC 9457).', content } };
  for (const [status, same] of Map.groupBy(codes, (code) => errorKinds[code].status)) {
    responses[status] = { description: same.map((code) => `\`${code}\`: ${errorKinds[code].title}`).join(' '), content };
  }
  return responses;
}

function securityOf(rule: Rule | undefined): Record<string, string[]>[] {
  const apiKey = { apiKey: [] };
  const accessToken = { accessToken: [] };
  switch (rule) {
    case 'api-key':
      return [apiKey];
    case 'api-key-or-own-token':
      return [apiKey, accessToken];
    case 'own-token':
      return [accessToken];
    case 'anonymous':
    case 'demo':
      return [apiKey, {}];
    case 'callback':
    case undefined:
      return [];
    default:
      return rule satisfies never;
  }
}
