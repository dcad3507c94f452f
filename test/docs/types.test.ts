/** The TypeScript of every page, checked by one run of the compiler: that costs more than all that is checked. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { temporaryFolder } from '../fixtures/server.ts';
import { blocksOf } from './blocks.ts';
import { typeErrors, writeSources } from './typescript.ts';

/** Those that have some, and how many blocks of it at least. */
const PAGES = [
  { page: 'README.md', least: 2 },
  { page: 'PROTOCOL.md', least: 5 },
  { page: 'docs/client.md', least: 3 },
  { page: 'docs/react.md', least: 4 },
  { page: 'docs/signalr.md', least: 7 },
] as const;

/** Planted in each folder: what is found there shows that the compiler looked at the folder. */
const WRONG = "import { useTransaction } from 'ringback/react';\nexport const wrong: number = useTransaction;";

function folderOf(page: string): string {
  return page.replaceAll(/\W/gu, '-');
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let errors: readonly string[] = [];

before(async () => {
  folder = await temporaryFolder();
  const files: Record<string, string> = {};
  for (const { page, least } of PAGES) {
    const blocks = blocksOf(page).filter(({ language }) => language === 'ts' || language === 'tsx');
    assert.ok(blocks.length >= least, `only ${blocks.length} blocks of ${page} were seen`);
    for (const [index, { language, name, code }] of blocks.entries()) {
      // Those that are files import one another.
      files[`${folderOf(page)}/${name.endsWith(`.${language}`) ? name : `block-${index}.${language}`}`] = code;
    }
    files[`${folderOf(page)}/wrong.tsx`] = WRONG;
  }
  writeSources(folder.path, files);
  errors = (await typeErrors(folder.path)).trimEnd().split('\n');
});
after(() => folder[Symbol.asyncDispose]());

test('the samples of the page about React are these', () => {
  assert.deepEqual(
    blocksOf('docs/react.md').map(({ language, name }) => `${language} ${name}`),
    ['tsx payment.tsx', 'tsx receipt.tsx', 'tsx order.tsx', 'tsx route.tsx'],
  );
});

for (const { page } of PAGES) {
  test(`the types of every TypeScript block of ${page} are right`, () => {
    const found = errors.filter((line) => line.includes(`${folderOf(page)}/`));
    assert.equal(found.length, 1, errors.join('\n'));
    assert.match(found[0] ?? '', /wrong\.tsx\(2,14\)/u);
  });
}

test('and the compiler finds nothing wrong elsewhere', () => {
  assert.equal(errors.length, PAGES.length, errors.join('\n'));
});
