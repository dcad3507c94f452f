import { Validator } from '@seriousme/openapi-schema-validator';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorKinds } from '../../src/errors.ts';
import { request } from '../fixtures/http-api.ts';
import { startServer } from '../fixtures/server.ts';
import { member } from './wire-client.ts';

/** The table of the contract: every request, and the statuses that a good one is answered with. */
const CONTRACT: Readonly<Record<string, readonly string[]>> = {
  'post /v1/transactions': ['201'],
  'get /v1/transactions': ['200'],
  'get /v1/transactions/{id}': ['200'],
  'delete /v1/transactions/{id}': ['204'],
  'post /v1/transactions/{id}/tokens': ['201'],
  'delete /v1/transactions/{id}/tokens/{tokenId}': ['204'],
  'post /v1/transactions/{id}/callbacks': ['201'],
  'delete /v1/transactions/{id}/callbacks/{callbackId}': ['204'],
  'post /v1/transactions/{id}/messages': ['200', '202'],
  'post /v1/messages:batch': ['200'],
  'get /v1/transactions/{id}/messages': ['200'],
  'post /v1/transactions/{id}/acks': ['204'],
  'get /v1/transactions/{id}/messages/{messageId}': ['200'],
  'post /v1/transactions/{id}/settle': ['200'],
  'post /callbacks/{secret}': ['202'],
  'post /webhooks/{source}': ['200'],
  'get /health/live': ['200'],
  'get /health/ready': ['200'],
  'get /openapi.json': ['200'],
};

/** Where nobody is known by the name in the path, there is nothing. */
const NEEDS_ITS_NAME = ['/callbacks/{secret}', '/webhooks/{source}'];

interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly value: unknown;
}

function operationsOf(document: unknown): Operation[] {
  const paths = Object.entries(member(document, 'paths') ?? {});
  return paths.flatMap(([path, methods]) =>
    Object.entries(methods ?? {}).map(([method, value]) => ({ name: `${method} ${path}`, method, path, value })),
  );
}

function statusesOf({ value }: Operation): string[] {
  return Object.keys(member(value, 'responses') ?? {});
}

async function documentOf(url: string): Promise<object> {
  const { status, headers, body } = await request('GET', `${url}/openapi.json`);
  assert.equal(status, 200);
  assert.match(headers.get('content-type') ?? '', /^application\/json\b/);
  assert.ok(typeof body === 'object' && body !== null);
  return body;
}

test('the OpenAPI document is valid, of version 3.1, and the same each time', async () => {
  await using server = await startServer();
  const document = await documentOf(server.url);
  const validator = new Validator();
  assert.deepEqual(await validator.validate({ ...document }), { valid: true });
  assert.equal(validator.version, '3.1');
  assert.deepEqual(await documentOf(server.url), document);
});

test('the OpenAPI document has the routes of the contract and no others', async () => {
  await using server = await startServer();
  const found = operationsOf(await documentOf(server.url)).map(({ name }) => name);
  assert.deepEqual(found.toSorted(), Object.keys(CONTRACT).toSorted());
});

test('each documented route says which statuses it answers, and with which error codes', async () => {
  await using server = await startServer();
  const operations = operationsOf(await documentOf(server.url));
  assert.ok(operations.length > 10);
  for (const operation of operations) {
    const statuses = statusesOf(operation);
    assert.deepEqual(
      statuses.filter((status) => status.startsWith('2')),
      CONTRACT[operation.name],
      operation.name,
    );
    const takesCredential = JSON.stringify(member(operation.value, 'security')) !== '[]';
    if (takesCredential) assert.ok(statuses.includes('401'), `${operation.name} can be refused`);
    if (member(operation.value, 'requestBody') !== undefined)
      assert.ok(['400', '413', '415', '422'].every((each) => statuses.includes(each)));
    assert.ok(statuses.includes('503'), operation.name);
  }
  const text = JSON.stringify(operations);
  const notOfARoute = ['method_not_allowed', 'request_timeout', 'headers_too_large', 'internal_error'];
  const missing = Object.keys(errorKinds).filter((code) => !text.includes(`\`${code}\``) && !notOfARoute.includes(code));
  assert.deepEqual(missing, []);
});

test('each documented route is there: it answers something else than that it is not', async () => {
  await using server = await startServer();
  const operations = operationsOf(await documentOf(server.url));
  let looked = 0;
  for (const { name, method, path } of operations) {
    const { status, text } = await request(method.toUpperCase(), server.url + path.replaceAll(/\{\w+\}/g, 'nobody'));
    const isThere = NEEDS_ITS_NAME.includes(path) || ![404, 405].includes(status);
    assert.ok(isThere, `${name} answered ${status}: ${text}`);
    looked++;
  }
  assert.equal(looked, Object.keys(CONTRACT).length);
});

test('each URL answers the methods that it has not got with 405 and those that it has in Allow', async () => {
  await using server = await startServer();
  const byPath = Map.groupBy(operationsOf(await documentOf(server.url)), ({ path }) => path);
  assert.ok(byPath.size > 10);
  for (const [path, operations] of byPath) {
    const documented = operations.map(({ method }) => method.toUpperCase());
    const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'SEARCH', 'REPORT', 'QUERY'];
    for (const method of all) {
      if (documented.includes(method) || (method === 'HEAD' && documented.includes('GET'))) continue;
      const answer = await request(method, server.url + path.replaceAll(/\{\w+\}/g, 'nobody'));
      assert.equal(answer.status, 405, `${method} ${path}`);
      const allowed = (answer.headers.get('allow') ?? '').split(', ').filter((each) => each !== 'HEAD');
      assert.deepEqual(allowed.toSorted(), documented.toSorted(), `Allow of ${path}`);
      if (method !== 'HEAD') assert.equal(member(answer.body, 'code'), 'method_not_allowed');
    }
  }
});

test('a method that a URL has not got is refused before anybody looks at its body', async () => {
  await using server = await startServer();
  const headers = { 'content-type': 'text/plain' };
  for (const method of ['POST', 'PUT', 'QUERY', 'OPTIONS']) {
    const answer = await request(method, `${server.url}/health/live`, { raw: 'no JSON', headers });
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, HEAD'], method);
  }
});

test('a webhook is documented as it is: three headers that it must have, and a body of any type', async () => {
  await using server = await startServer();
  const operation = operationsOf(await documentOf(server.url)).find(({ name }) => name === 'post /webhooks/{source}')?.value;
  const parameters = member(operation, 'parameters');
  assert.ok(Array.isArray(parameters));
  assert.deepEqual(
    parameters.map((each) => [member(each, 'in'), member(each, 'name'), member(each, 'required')]),
    [
      ['path', 'source', true],
      ['header', 'webhook-id', true],
      ['header', 'webhook-timestamp', true],
      ['header', 'webhook-signature', true],
    ],
  );
  assert.deepEqual(Object.keys(Object(member(member(operation, 'requestBody'), 'content'))), ['*/*']);
  const good = member(member(operation, 'responses'), '200');
  assert.match(String(member(good, 'description')), /^Verified; /);
});

test('what lies beside the documented routes is not found', async () => {
  await using server = await startServer();
  for (const path of [
    '/',
    '/v1',
    '/v1/',
    '/v2/transactions',
    '/v1/transactions/a/b',
    '/metrics',
    '/webhooks',
    '/openapi.yaml',
    '/health',
  ]) {
    const answer = await request('GET', server.url + path);
    assert.equal(answer.status, 404, path);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    assert.equal(member(answer.body, 'code'), 'not_found');
  }
});

test('a body may be left out exactly where none of its members is required', async () => {
  await using server = await startServer();
  const operations = operationsOf(await documentOf(server.url));
  const optional = operations
    .filter(({ value }) => member(member(value, 'requestBody'), 'required') === false)
    .map(({ name }) => name);
  assert.deepEqual(optional.toSorted(), [
    'post /v1/transactions',
    'post /v1/transactions/{id}/callbacks',
    'post /v1/transactions/{id}/settle',
    'post /v1/transactions/{id}/tokens',
  ]);
});
