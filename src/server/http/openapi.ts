/** The OpenAPI document, made from the schemas that validate. */
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { documented } from './route.ts';
import * as schemas from './schemas.ts';
import { z } from 'zod';
import type { Rule } from '../access.ts';
import { version } from '../version.ts';

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
      document ??= JSON.stringify(app.swagger());
      return reply.type('application/json; charset=utf-8').send(document);
    },
  );
}

/** What every route of a kind has in common: who may call it, and how it fails. */
function withCommon(schema: FastifySchema, { rule }: { rule?: Rule | undefined } = {}): FastifySchema {
  const { response } = schema;
  return {
    ...schema,
    security: securityOf(rule),
    response: {
      ...(typeof response === 'object' && response),
      default: { description: 'A problem (RFC 9457).', content: { 'application/problem+json': { schema: problemSchema } } },
    },
  };
}

const problemSchema = z.toJSONSchema(schemas.problem, { target: 'draft-2020-12' });

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
      return [apiKey, {}];
    case 'callback':
    case undefined:
      return [];
    default:
      return rule satisfies never;
  }
}
