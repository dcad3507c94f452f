import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { readPage, ROOT } from './blocks.ts';

const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);
const PAGES = ['README.md', 'ARCHITECTURE.md', 'PROTOCOL.md', 'SECURITY.md', 'CHANGELOG.md', 'CONTRIBUTING.md', ...docs];
const MAX_LINES = 150;

/** Paths as they are named in running text, in tables, in trees. */
function pathsIn(text: string): string[] {
  const found = text.matchAll(/(?<![\w./-])(?:src|test|docs|scripts)\/[\w./-]*[\w/]|(?<![\w./-])[A-Z]+\.md/gu);
  return [...new Set([...found].map(([path]) => path))];
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): Set<string> {
  const headings = readPage(page).matchAll(/^#+ (.+)$/gmu);
  return new Set(
    [...headings].map(([, text = '']) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function linksIn(page: string): string[] {
  return [...readPage(page).matchAll(/\]\(([^)\s]+)\)/gu)]
    .map(([, target = '']) => target)
    .filter((target) => !/^https?:/u.test(target));
}

function brokenLinks(page: string): string[] {
  return linksIn(page).filter((link) => {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : normalize(join(dirname(page), path));
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !anchorsOf(target).has(anchor);
  });
}

function foldersBelow(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true });
  const below = entries.filter((entry) => entry.isDirectory()).flatMap((entry) => foldersBelow(`${folder}/${entry.name}`));
  return entries.some((entry) => entry.name.endsWith('.ts')) ? [folder, ...below] : below;
}

for (const [page, fewest] of [
  ['README.md', 5],
  ['ARCHITECTURE.md', 60],
] as const) {
  test(`every path that ${page} names exists`, () => {
    const paths = pathsIn(readPage(page));
    assert.ok(paths.length >= fewest, `only ${paths.length} paths were seen`);
    assert.deepEqual(
      paths.filter((path) => !existsSync(join(ROOT, path))),
      [],
    );
  });
}

test('every folder of sources is in the tree of ARCHITECTURE.md, which stays short', () => {
  const text = readPage('ARCHITECTURE.md');
  const folders = foldersBelow('src').filter((folder) => folder !== 'src');
  assert.ok(folders.length >= 10, `only ${folders.length} folders were seen`);
  assert.deepEqual(
    folders.filter((folder) => !text.includes(`\`${folder}/\``)),
    [],
  );
  assert.ok(text.trimEnd().split('\n').length <= MAX_LINES);
});

for (const page of PAGES) {
  test(`every link of ${page} leads somewhere`, () => assert.deepEqual(brokenLinks(page), []));
}

test('links were seen, and one that leads nowhere would be', () => {
  const all = PAGES.flatMap(linksIn);
  assert.ok(all.length >= 30, `only ${all.length} links were seen`);
  assert.ok(!anchorsOf('PROTOCOL.md').has('no-such-heading') && anchorsOf('PROTOCOL.md').has('no-guarantees'));
  assert.deepEqual(pathsIn('`src/nowhere/at-all.ts` and NOTHING.md'), ['src/nowhere/at-all.ts', 'NOTHING.md']);
});
