/** The pages of the demo as files: what they are answered with, and that nothing else can be had by them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import { silentLogger } from '../../src/logger.ts';
import { addPages } from '../../src/server/demo/pages.ts';
import { Origins } from '../../src/server/origins.ts';
import { request } from '../fixtures/http-api.ts';
import { startServer } from '../fixtures/server.ts';
import { exchange } from '../http/wire-client.ts';

function directivesOf(headers: Headers): Map<string, string[]> {
  const policy = headers.get('content-security-policy') ?? '';
  return new Map(policy.split('; ').map((text) => [text.split(' ', 1)[0] ?? '', text.split(' ').slice(1)]));
}

/** Everything that a page of ours names. */
function assetsOf(html: string): string[] {
  return [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path);
}

for (const path of ['/', '/provider', '/?order=LC-22222-22222', '/provider?order=x']) {
  test(`${path} is a page under a strict policy that is never kept`, async () => {
    await using server = await startServer({ demo: true });
    const { status, headers, text } = await request('GET', server.url + path);
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('referrer-policy'), 'no-referrer');
    const { port } = new URL(server.url);
    assert.deepEqual(Object.fromEntries(directivesOf(headers)), {
      'default-src': ["'none'"],
      'script-src': ["'self'"],
      'style-src': ["'self'"],
      'font-src': ["'self'"],
      'img-src': ["'self'", 'data:'],
      'connect-src': ["'self'", `ws://127.0.0.1:${port}`, `ws://localhost:${port}`],
      'base-uri': ["'none'"],
      'form-action': ["'none'"],
      'frame-ancestors': ["'none'"],
      'require-trusted-types-for': ["'script'"],
      'trusted-types': ["'none'"],
    });
    assert.doesNotMatch(text, /<script(?![^>]* src=)|<style|style="|\son\w+="/);
  });
}

test('behind a public URL the sockets are those of its origin', async () => {
  await using server = await startServer({ demo: true, publicUrl: 'https://pay.test/' });
  const { headers } = await request('GET', server.url);
  assert.deepEqual(directivesOf(headers).get('connect-src'), ["'self'", 'wss://pay.test']);
});

test('every asset of a page is there, may be kept for ever, and is what its name says', async () => {
  await using server = await startServer({ demo: true });
  const assets = new Set<string>();
  for (const path of ['/', '/provider'])
    for (const asset of assetsOf((await request('GET', server.url + path)).text)) assets.add(asset);
  const types = { js: 'application/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' };
  const found = new Set<string>();
  for (const path of assets) {
    assert.match(path, /^\/assets\/[\w-]+-[\w-]{8}\.\w+$/);
    const { status, headers } = await request('GET', server.url + path);
    assert.equal(status, 200, path);
    assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    const [, ending = ''] = path.split('.');
    found.add(ending);
    assert.equal(headers.get('content-type'), Reflect.get(types, ending), path);
  }
  assert.deepEqual([...found].toSorted(), ['css', 'js', 'svg']);
});

test('a part of a file cannot be had: who asks for one gets all of it', async () => {
  await using server = await startServer({ demo: true });
  const [asset = ''] = assetsOf((await request('GET', server.url)).text);
  for (const path of ['/', asset]) {
    const whole = await request('GET', server.url + path);
    for (const range of ['bytes=0-9', 'bytes=999999999-', 'bytes=9-0', 'nonsense']) {
      const { status, headers, text } = await request('GET', server.url + path, { headers: { range } });
      assert.deepEqual([status, text, headers.get('content-range')], [200, whole.text, null], `${path} ${range}`);
    }
  }
});

test('the styles take nothing from anywhere else, and the font is there', async () => {
  await using server = await startServer({ demo: true });
  const [css = ''] = assetsOf((await request('GET', server.url)).text).filter((path) => path.endsWith('.css'));
  const { text } = await request('GET', server.url + css);
  const urls = [...text.matchAll(/url\(([^)]+)\)/g)].map(([, url = '']) => url.replaceAll(/["']/g, ''));
  assert.ok(urls.length > 0);
  for (const url of urls) {
    const { status, headers } = await request('GET', new URL(url, server.url + css).href);
    assert.equal(status, 200, url);
    assert.equal(headers.get('content-type'), 'font/woff2');
  }
});

test('nothing but the pages and their assets can be had, however the path is written', async () => {
  await using server = await startServer({ demo: true });
  const paths = [
    '/index.html',
    '/provider.html',
    '/licenses.md',
    '/assets',
    '/assets/',
    '/assets/nothing.js',
    '/assets/../index.html',
    '/assets/../licenses.md',
    '/assets/%2e%2e/licenses.md',
    '/assets/..%2flicenses.md',
    '/assets/..%5clicenses.md',
    '/assets/%2e%2e%2f%2e%2e%2f%2e%2e%2fpackage.json',
    '/assets/....//....//package.json',
    '/assets//etc/passwd',
    '/assets/%2fetc%2fpasswd',
    '/assets/%00',
    '/assets/.env',
    '/assets/%',
    '//index.html',
    '/provider/',
    '/provider/../index.html',
  ];
  for (const path of paths) {
    const answer = await exchange(server.url, { method: 'GET', path });
    assert.ok(answer.status === 404 || answer.status === 400, `${path} was answered ${answer.status}`);
    assert.ok(
      answer.headers.some(([name, value]) => name === 'content-type' && value === 'application/problem+json'),
      path,
    );
    assert.ok(!answer.headers.some(([name, value]) => name === 'cache-control' && value.includes('immutable')), path);
  }
});

test('other methods are refused, and a HEAD is a GET without its body', async () => {
  await using server = await startServer({ demo: true });
  for (const path of ['/', '/provider', '/assets/x.js']) {
    const refused = await request('POST', server.url + path, { json: {} });
    assert.deepEqual([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD'], path);
  }
  const head = await request('HEAD', server.url);
  assert.deepEqual([head.status, head.text], [200, '']);
  assert.ok(head.headers.get('content-security-policy') !== null);
});

test('where the pages are not built, the server says what to do, in its log and in the browser', async () => {
  const app = Fastify();
  const warnings: unknown[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
  addPages(app, { ownOrigins: new Origins([]), logger, folder: '/nowhere/at/all' });
  const answer = await app.inject({ method: 'GET', url: '/' });
  assert.equal(answer.statusCode, 503);
  assert.match(answer.body, /npm start.*npm run build/);
  assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
  assert.deepEqual(warnings, [{ event: 'demo.pages_missing' }]);
  await app.close();
});
