import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryFolder } from '../fixtures/server.ts';
import { blocksOf } from './blocks.ts';
import { typeErrors, writeSources } from './typescript.ts';

test('the types of every block of docs/react.md are right', async () => {
  await using folder = await temporaryFolder();
  const blocks = blocksOf('docs/react.md');
  assert.deepEqual(
    blocks.map(({ language, name }) => `${language} ${name}`),
    ['tsx payment.tsx', 'tsx receipt.tsx', 'tsx order.tsx', 'tsx route.tsx'],
  );
  const wrong = { 'wrong.tsx': "import { useTransaction } from 'ringback/react';\nexport const wrong: number = useTransaction;" };
  writeSources(folder.path, { ...Object.fromEntries(blocks.map(({ name, code }) => [name, code])), ...wrong });
  const errors = (await typeErrors(folder.path)).trimEnd().split('\n');
  // The planted one shows that the compiler looked at the folder.
  assert.equal(errors.length, 1, errors.join('\n'));
  assert.match(errors[0] ?? '', /wrong\.tsx\(2,14\)/u);
});
