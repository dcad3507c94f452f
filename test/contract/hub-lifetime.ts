/**
 * What every lifetime of a hub guarantees, sentence by sentence of `src/signalr/hub/hub-lifetime.ts`. Knows no implementation:
 * it is given a way to make some.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import type { HubLifetime, Member, Target } from '../../src/signalr/hub/hub-lifetime.ts';
import { PreparedInvocation } from '../../src/signalr/index.ts';

export interface LifetimeSubject extends AsyncDisposable {
  readonly lifetime: HubLifetime;
  /** Resolves when what was sent has come to its members here. */
  settle(): Promise<void>;
}

/** A connection that writes down what it gets. */
class Listener implements Member {
  readonly id: string;
  readonly userId: string | undefined;
  readonly heard: string[] = [];
  readonly #ending = new AbortController();

  constructor(id: string, userId?: string) {
    this.id = id;
    this.userId = userId;
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  sendPrepared({ target }: PreparedInvocation): void {
    this.heard.push(target);
  }

  write(): void {}

  end(): void {
    this.#ending.abort();
  }
}

const VISITS = 20_000;

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

const noOne: ReadonlySet<string> = new Set();

export function hubLifetimeContract(name: string, start: () => Promise<LifetimeSubject>): void {
  describe(`${name}, as the lifetime of a hub`, () => {
    test('after any comings, goings, joins and leaves, each target is who it names', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 40, maxLength: 200, size: 'max' }),
          async (steps) => await follow(start, steps),
        ),
      );
    });

    test('one that has left and one that was never there cannot be asked', async () => {
      await using subject = await start();
      const { lifetime } = subject;
      const listener = new Listener('a');
      lifetime.connected(listener);
      lifetime.disconnected(listener);
      for (const id of ['a', 'b']) {
        await assert.rejects(lifetime.invoke(id, { target: 'x', arguments: [] }), {
          name: 'IOException',
          message: `Connection '${id}' does not exist.`,
        });
      }
    });

    test('one that leaves while it is asked does not keep anybody waiting', async () => {
      await using subject = await start();
      const { lifetime } = subject;
      const listener = new Listener('a');
      lifetime.connected(listener);
      const answer = lifetime.invoke('a', { target: 'x', arguments: [] });
      lifetime.disconnected(listener);
      listener.end();
      await assert.rejects(answer, { name: 'IOException', message: "Connection 'a' disconnected." });
    });

    test('those who have left leave nothing behind', async () => {
      await using subject = await start();
      const { lifetime } = subject;
      const visit = async (from: number): Promise<number> => {
        for (let n = from; n < from + VISITS; n++) {
          const listener = new Listener(`connection ${n}`, `user ${n}`);
          lifetime.connected(listener);
          for (const name of ['all', `of ${n}`]) await lifetime.addToGroup(listener.id, name);
          await lifetime.removeFromGroup(listener.id, 'all');
          lifetime.disconnected(listener);
        }
        return heapBytes();
      };
      await visit(0);
      const before = await visit(VISITS);
      const after = await visit(2 * VISITS);
      assert.ok(after - before < VISITS * 20, `${after - before} bytes more after ${VISITS} visits`);
    });

    test('one that leaves in the midst of a send takes nothing from the others', async () => {
      await using subject = await start();
      const { lifetime } = subject;
      const leaving = new Listener('a');
      leaving.sendPrepared = () => lifetime.disconnected(leaving);
      const others = ['b', 'c'].map((id) => new Listener(id));
      for (const listener of [leaving, ...others]) lifetime.connected(listener);
      for (const { id } of [leaving, ...others]) await lifetime.addToGroup(id, 'g');
      await lifetime.send({ kind: 'groups', names: ['g'], except: noOne }, new PreparedInvocation('x'));
      await lifetime.send({ kind: 'all', except: noOne }, new PreparedInvocation('y'));
      await subject.settle();
      assert.deepEqual(
        others.map(({ heard }) => heard),
        [
          ['x', 'y'],
          ['x', 'y'],
        ],
      );
    });
  });
}

/** Few, so that they meet. */
const ids = ['a', 'b', 'c', 'd'] as const;
const id = fc.constantFrom(...ids);
const anyId = fc.constantFrom(...ids, 'nobody');
const group = fc.constantFrom('g', 'G', '__proto__');
const user = fc.constantFrom(undefined, 'ada', 'Ada', '__proto__');
const except = fc.uniqueArray(anyId).map((excluded) => new Set<string>(excluded));

const target: fc.Arbitrary<Target> = fc.oneof(
  fc.record({ kind: fc.constant('all' as const), except }),
  fc.record({ kind: fc.constant('connections' as const), ids: fc.uniqueArray(anyId) }),
  fc.record({ kind: fc.constant('groups' as const), names: fc.uniqueArray(group), except }),
  fc.record({
    kind: fc.constant('users' as const),
    ids: fc.uniqueArray(fc.constantFrom('ada', 'Ada', '__proto__', 'nobody')),
  }),
);

const step = fc.oneof(
  fc.record({ what: fc.constant('come' as const), id, user }),
  fc.record({ what: fc.constant('leave' as const), id }),
  fc.record({ what: fc.constant('add' as const), id: anyId, group }),
  fc.record({ what: fc.constant('remove' as const), id: anyId, group }),
  fc.record({ what: fc.constant('send' as const), target }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Guest {
  readonly listener: Listener;
  readonly groups: Set<string>;
  readonly expected: string[];
}

/** Who is here, and in which groups; and everybody who ever was. */
class Model {
  readonly here = new Map<string, Guest>();
  readonly ever: Guest[] = [];

  expect(to: Target, message: string): void {
    for (const { listener, groups, expected } of this.here.values()) {
      const times = timesOf(to, { id: listener.id, userId: listener.userId, groups });
      for (let n = 0; n < times; n++) expected.push(message);
    }
  }
}

interface Known {
  readonly id: string;
  readonly userId: string | undefined;
  readonly groups: ReadonlySet<string>;
}

function timesOf(to: Target, known: Known): number {
  switch (to.kind) {
    case 'all':
      return to.except.has(known.id) ? 0 : 1;
    case 'connections':
      return to.ids.includes(known.id) ? 1 : 0;
    case 'groups':
      return to.except.has(known.id) ? 0 : to.names.filter((name) => known.groups.has(name)).length;
    case 'users':
      return known.userId !== undefined && to.ids.includes(known.userId) ? 1 : 0;
  }
}

async function follow(start: () => Promise<LifetimeSubject>, steps: readonly Step[]): Promise<void> {
  await using subject = await start();
  const model = new Model();
  for (const [index, each] of steps.entries()) await take(each, { subject, model, message: `message ${index}` });
}

interface Scene {
  readonly subject: LifetimeSubject;
  readonly model: Model;
  readonly message: string;
}

async function take(each: Step, { subject, model, message }: Scene): Promise<void> {
  const { lifetime } = subject;
  const known = 'id' in each ? model.here.get(each.id) : undefined;
  switch (each.what) {
    case 'come': {
      if (known !== undefined) return;
      const listener = new Listener(each.id, each.user);
      const guest = { listener, groups: new Set<string>(), expected: [] };
      model.here.set(each.id, guest);
      model.ever.push(guest);
      lifetime.connected(listener);
      // Whoever had the id before is gone already, and takes nothing along if that is said again.
      for (const { listener: gone } of model.ever) if (gone.id === each.id && gone !== listener) lifetime.disconnected(gone);
      return;
    }
    case 'leave':
      if (known === undefined) return;
      model.here.delete(each.id);
      lifetime.disconnected(known.listener);
      return;
    case 'add':
      known?.groups.add(each.group);
      await lifetime.addToGroup(each.id, each.group);
      return;
    case 'remove':
      known?.groups.delete(each.group);
      await lifetime.removeFromGroup(each.id, each.group);
      return;
    case 'send':
      model.expect(each.target, message);
      await lifetime.send(each.target, new PreparedInvocation(message));
      await subject.settle();
      for (const { listener, expected } of model.ever) assert.deepEqual(listener.heard, expected);
  }
}
