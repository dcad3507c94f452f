/** What ASP.NET Core's own server said, ours says too. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type ConformanceServer, startConformanceServer } from '../fixtures/conformance/start.ts';
import { type Exchange, play, readExchanges } from './exchange.ts';
import { ask } from './request.ts';

const PATIENCE_MS = 20_000;

let server: ConformanceServer;

before(async () => {
  server = await startConformanceServer();
});
after(() => server[Symbol.asyncDispose]());

async function read(folder: string): Promise<{ topic: string; exchanges: readonly Exchange[] }[]> {
  const url = new URL(`${folder}/`, import.meta.url);
  const names = await readdir(url);
  const texts = await Promise.all(names.map((name) => readFile(new URL(name, url), 'utf8')));
  return names.map((name, index) => ({ topic: basename(name, '.txt'), exchanges: readExchanges(texts[index] ?? '') }));
}

const [hubMessages, requests] = [await read('exchanges'), await read('requests')];

for (const { topic, exchanges } of hubMessages) {
  // What is sent to everybody is heard by those of another exchange.
  suite(`${topic}, as recorded`, { concurrency: topic === 'targets' ? 1 : 8 }, () => {
    for (const exchange of exchanges) test(exchange.title, { timeout: PATIENCE_MS }, () => play(exchange, server.url));
  });
}

for (const { topic, exchanges } of requests) {
  suite(`${topic}, as recorded`, { concurrency: 8 }, () => {
    for (const exchange of exchanges) test(exchange.title, { timeout: PATIENCE_MS }, () => ask(exchange, server.url));
  });
}

test('an answer that differs is found: in its text, its bytes, its place, its end, and where there is none', async () => {
  const call = 'a> {"type":1,"invocationId":"1","target":"Echo","arguments":["x"]}';
  for (const lines of [
    ['a< {"type":3,"invocationId":"1","result":"y"}'],
    ['a< {"type":3,"invocationId":"1","result":"x","more":1}'],
    ['a< 7b7d'],
    ['a< {"type":3,"invocationId":"<id a>","result":"x"}'],
    ['a goes on'],
    ['a ends with 1000'],
    ['a< {"type":3,"invocationId":"1","result":"x"}', 'a> {"type":7}', 'a< {"type":7}', 'a goes on'],
    ['a cannot resume a'],
    ['b goes on'],
  ]) {
    const exchange = { title: '', lines: ['a joins /testhub', call, ...lines] };
    await assert.rejects(play(exchange, server.url), assert.AssertionError, lines.at(-1));
  }
});

test('a request that is answered otherwise is found: by its status, its headers, its body', async () => {
  const head = ['< 400 Bad Request', '< content-type: text/plain', '< transfer-encoding: chunked'];
  const put = async (...answer: string[]): Promise<void> =>
    await ask({ title: '', lines: ['> POST /testhub', ...answer] }, server.url);
  await put(...head, '< "Connection ID required"');
  await assert.rejects(put('< 404 Not Found', ...head.slice(1), '< "Connection ID required"'), assert.AssertionError);
  await assert.rejects(put(...head.slice(0, 2), '< "Connection ID required"'), assert.AssertionError);
  await assert.rejects(put(...head, '< allow: get', '< "Connection ID required"'), assert.AssertionError);
  await assert.rejects(put(...head, '< "Another"'), assert.AssertionError);
  await assert.rejects(put(...head), assert.AssertionError);
});

test('all of them were read', () => {
  assert.deepEqual([hubMessages.length, requests.length], [10, 5]);
  const all = [...hubMessages, ...requests].flatMap(({ exchanges }) => exchanges);
  assert.ok(all.length > 300, `only ${all.length}`);
  for (const { title, lines } of all) assert.ok(lines.length > 1, title);
});
