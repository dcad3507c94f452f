/** One kind of thing that can happen to a mailbox: made up by fast-check, done to the real one and to the model alike. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compareLogs } from './mailbox-comparison.ts';
import type { Model, ModelTransaction } from './mailbox-model.ts';
import type { World } from './mailbox-world.ts';

/** How often each thing was done, so that a run that did nothing can be seen. */
export const done = new Map<string, number>();
export const names = new Set<string>();

interface Kind<Args> {
  readonly args: fc.Arbitrary<Args>;
  /** How often it comes, compared with the others. Default: 2. */
  readonly weight?: number;
  /** Default: any time. */
  readonly isPossible?: (model: Model, world: World) => boolean;
  readonly run: (model: Model, world: World, args: Args) => Promise<void>;
}

class Command<Args> implements fc.AsyncCommand<Model, World> {
  readonly #name: string;
  readonly #kind: Kind<Args>;
  readonly #args: Args;

  constructor(name: string, kind: Kind<Args>, args: Args) {
    this.#name = name;
    this.#kind = kind;
    this.#args = args;
  }

  /** A durable world can be told from its name; everything else by the model. */
  check(): boolean {
    return true;
  }

  async run(model: Model, world: World): Promise<void> {
    if (this.#kind.isPossible?.(model, world) === false) return;
    done.set(this.#name, (done.get(this.#name) ?? 0) + 1);
    await this.#kind.run(model, world, this.#args);
    await world.quiet();
    model.flow();
    compareLogs(model, world);
  }

  toString(): string {
    return `${this.#name} ${JSON.stringify(this.#args)}`;
  }
}

export type AnyCommand = fc.Arbitrary<fc.AsyncCommand<Model, World>>;

/** As many times as it weighs. */
export function kind<Args>(name: string, definition: Kind<Args>): readonly AnyCommand[] {
  names.add(name);
  const arbitrary: AnyCommand = definition.args.map((args) => new Command(name, definition, args));
  return Array.from({ length: definition.weight ?? 2 }, () => arbitrary);
}

/** Newer ones more often: the oldest are mostly forgotten. */
export const pick = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 5 }) });

export function transactionAt(model: Model, index: number): ModelTransaction {
  const found = model.transactions.at(-1 - (index % model.transactions.length));
  assert.ok(found);
  return found;
}
