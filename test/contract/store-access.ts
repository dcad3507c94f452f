/** The store contract on tokens, callbacks, tickets and connections. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { connection, message, transaction } from './store-subject.ts';
import type { Start } from './store-subject.ts';

export function capabilityContract(start: Start): void {
  it('finds a token by its hash until it is revoked', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    assert.equal(await store.addToken('a', { id: 'second', hash: 'second-hash' }), true);
    assert.equal(await store.addToken('a', { id: 'second', hash: 'second-hash' }), true, 'repeating it is safe');
    assert.deepEqual(await store.findToken('second-hash'), { transactionId: 'a', tokenId: 'second' });
    assert.equal(await store.revokeToken('a', 'second'), true);
    assert.equal(await store.findToken('second-hash'), undefined);
    assert.equal(await store.revokeToken('a', 'second'), false);
    assert.deepEqual(await store.findToken('hash-a'), { transactionId: 'a', tokenId: 'token-a' });
    assert.equal(await store.findToken('never'), undefined);
  });

  it('knows a token only within its own transaction', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    await store.open(transaction('b'));
    assert.equal(await store.revokeToken('b', 'token-a'), false);
    assert.notEqual(await store.findToken('hash-a'), undefined);
    assert.equal(await store.addToken('never', { id: 'x', hash: 'x' }), false);
    assert.equal(await store.findToken('x'), undefined);
    assert.equal(await store.revokeToken('never', 'x'), false);
  });

  it('fails alone where the hash of a secret is in use', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    const results = await Promise.allSettled([
      store.open(transaction('b')),
      store.open(transaction('c', { token: { id: 'x', hash: 'hash-a' } })),
      store.open(transaction('d', { token: { id: 'x', hash: 'hash-b' } })),
      store.addToken('a', { id: 'y', hash: 'hash-b' }),
      store.append(message('a', 'm')),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled'],
    );
    for (const id of ['c', 'd']) assert.equal(await store.transaction(id), undefined);
    assert.deepEqual(await store.findToken('hash-b'), { transactionId: 'b', tokenId: 'token-b' });
  });

  it('finds the transaction of a callback, in whatever state, until it is revoked', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a', { callback: { id: 'first', hash: 'first-hash' } }));
    assert.equal(await store.addCallback('a', { id: 'second', hash: 'second-hash' }), true);
    assert.equal(await store.addCallback('never', { id: 'x', hash: 'x' }), false);
    await store.settle('a');
    for (const hash of ['first-hash', 'second-hash']) assert.equal(await store.findCallback(hash), 'a');
    assert.equal(await store.revokeCallback('a', 'first'), true);
    assert.equal(await store.revokeCallback('a', 'first'), false);
    assert.equal(await store.findCallback('first-hash'), undefined);
    assert.equal(await store.findCallback('second-hash'), 'a');
    assert.equal(await store.findCallback('hash-a'), undefined, 'a token is no callback');
    assert.equal(await store.findToken('second-hash'), undefined, 'a callback is no token');
  });
}

export function ticketContract(start: Start): void {
  const ticket = (hash: string, more: { tokenId?: string; ttlMs?: number } = {}) => ({
    hash,
    transactionId: 'a',
    ttlMs: 100,
    ...more,
  });

  it('is good for the first connection that binds it, and only for that', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a'));
    assert.equal(await store.addTicket(ticket('t', { tokenId: 'token-a' })), true);
    assert.deepEqual(await store.findTicket('t'), { transactionId: 'a', tokenId: 'token-a' });
    assert.equal(await store.bindTicket('t', 'one'), true);
    assert.equal(await store.bindTicket('t', 'two'), false);
    assert.equal(await store.bindTicket('t', 'one'), true);
    clock.advance(1_000);
    assert.equal(await store.bindTicket('t', 'one'), true, 'a bound one waits no longer');
    assert.deepEqual(await store.findTicket('t'), { transactionId: 'a', tokenId: 'token-a', connectionId: 'one' });
    await store.sweep(1);
    assert.equal((await store.findTicket('t'))?.connectionId, 'one');
  });

  it('lets one of two win that bind at once', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    await store.addTicket(ticket('t'));
    assert.deepEqual(await Promise.all(['one', 'two', 'one'].map((id) => store.bindTicket('t', id))), [true, false, true]);
    assert.deepEqual(await store.findTicket('t'), { transactionId: 'a', connectionId: 'one' });
  });

  it('waits for a connection until the end of its time, and is swept then', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a'));
    await store.addTicket(ticket('t'));
    await store.addTicket(ticket('u'));
    clock.advance(99);
    assert.notEqual(await store.findTicket('t'), undefined);
    assert.equal(await store.bindTicket('u', 'one'), true);
    clock.advance(1);
    assert.equal(await store.findTicket('t'), undefined);
    assert.equal(await store.bindTicket('t', 'one'), false);
    await store.sweep(1);
    assert.equal(await store.findTicket('t'), undefined);
    assert.equal(await store.bindTicket('never', 'one'), false);
    assert.equal(await store.findTicket('never'), undefined);
  });

  it('dies with its token, bound or not; others stay', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    await store.addToken('a', { id: 'second', hash: 'second-hash' });
    for (const hash of ['t', 'bound']) await store.addTicket(ticket(hash, { tokenId: 'token-a' }));
    await store.addTicket(ticket('other', { tokenId: 'second' }));
    await store.addTicket(ticket('app'));
    await store.bindTicket('bound', 'one');
    await store.revokeToken('a', 'token-a');
    for (const hash of ['t', 'bound']) {
      assert.equal(await store.findTicket(hash), undefined);
      assert.equal(await store.bindTicket(hash, 'one'), false);
    }
    assert.notEqual(await store.findTicket('other'), undefined);
    assert.notEqual(await store.findTicket('app'), undefined);
    assert.equal(await store.addTicket(ticket('late', { tokenId: 'token-a' })), false);
    assert.equal(await store.findTicket('late'), undefined);
    assert.equal(await store.addTicket({ ...ticket('x'), transactionId: 'never' }), false);
  });

  it('goes with its connection', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    for (const hash of ['t', 'u', 'unsaved']) {
      await store.addTicket(ticket(hash));
      await store.bindTicket(hash, hash);
    }
    await store.saveConnections({ added: [connection('t', 'a'), connection('u', 'a')], removed: [] });
    await store.saveConnections({ added: [], removed: ['t', 'unsaved', 'never'] });
    assert.equal(await store.findTicket('t'), undefined);
    assert.equal(await store.findTicket('unsaved'), undefined);
    assert.equal((await store.findTicket('u'))?.connectionId, 'u');
  });
}

export function connectionContract(start: Start): void {
  it('shows the connections of a transaction while they last', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a', { reference: 'r' }));
    await store.open(transaction('b'));
    await store.saveConnections({
      added: [connection('one', 'a'), connection('two', 'a'), connection('three', 'b')],
      removed: [],
    });
    assert.deepEqual((await store.transaction('a'))?.connections, [connection('one', 'a'), connection('two', 'a')]);
    assert.equal((await store.transactionsByReference('r'))[0]?.connections.length, 2);
    await store.saveConnections({ added: [connection('four', 'a')], removed: ['one', 'never'] });
    const ids = (await store.transaction('a'))?.connections.map(({ id }) => id);
    assert.deepEqual(ids?.toSorted(), ['four', 'two']);
    assert.equal((await store.transaction('b'))?.connections.length, 1);
  });

  it('drops silently the row of an unknown transaction, and keeps its neighbours', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    await store.saveConnections({ added: [connection('one', 'never'), connection('two', 'a')], removed: [] });
    assert.equal((await store.transaction('a'))?.connections.length, 1);
    assert.equal(await store.transaction('never'), undefined);
  });

  it('has one row for a connection that is saved twice', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    for (let count = 0; count < 2; count += 1) await store.saveConnections({ added: [connection('one', 'a')], removed: [] });
    assert.equal((await store.transaction('a'))?.connections.length, 1);
    await store.saveConnections({ added: [connection('one', 'a')], removed: ['one'] });
    assert.equal((await store.transaction('a'))?.connections.length, 0, 'what came and went in one call is gone');
  });
}
