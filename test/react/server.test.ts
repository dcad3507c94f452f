/** Rendering on a server: in Node, where there is neither window nor document. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { before, test } from 'node:test';
import { createElement } from 'react';
import { renderToPipeableStream, renderToString } from 'react-dom/server';
import { useTransaction } from '../../src/react/index.ts';

const opened = { id: 'txn_of-the-server', accessToken: 'rbat_secret', hubUrl: 'http://127.0.0.1:9/hub' };

function Page({ transaction }: { readonly transaction: typeof opened | null | undefined }) {
  const { state, messages, latest } = useTransaction(transaction, { onMessage: () => assert.fail('nothing comes to a server') });
  return createElement('p', null, `${state} ${messages.length} ${latest('paid')?.type ?? 'nothing'}`);
}

/** Whatever the hook would open would ask for something. */
let requests = 0;
before(() => {
  globalThis.fetch = () => {
    requests++;
    return Promise.reject(new Error('a server that renders asks for nothing'));
  };
});

for (const [name, transaction] of Object.entries({ opened, null: null, undefined })) {
  test(`it is connecting and has no messages (${name})`, async () => {
    const expected = '<p>connecting 0 nothing</p>';
    assert.equal(renderToString(createElement(Page, { transaction })), expected);
    const stream = new PassThrough();
    const { pipe } = renderToPipeableStream(createElement(Page, { transaction }), { onAllReady: () => pipe(stream) });
    assert.equal(await text(stream), expected);
    assert.equal(requests, 0);
  });
}
