/** What the compiler must find out by itself: results that are unions, lists, and parameters written where they are used. */
import { createHub, type HubContext, int, listOf, method, optional, text, upload } from '../../src/signalr/index.ts';

interface Shop {
  server: {
    isOpen(): boolean;
    find(name: string | null): { id: number } | undefined;
    size(name: 'small' | 'large'): 'small' | 'large';
    tags(list: readonly string[]): string[];
    sizes(ids?: readonly number[]): number;
    pair(pair: readonly [number, string] | null): void;
    count(lists: AsyncIterable<number[]>): number;
    choices(): AsyncIterable<'small' | 'large'>;
    whatever(): unknown;
  };
  client: object;
}

export const declared = createHub<Shop>({
  methods: {
    isOpen: method({ parameters: [], run: () => Math.random() > 0.5 }),
    find: method({
      parameters: [(value) => (value === null ? null : text(value))],
      run: (_context, name) => (name === null ? undefined : { id: name.length }),
    }),
    size: method({
      parameters: [
        (value) => {
          if (value === 'small' || value === 'large') return value;
          throw new TypeError('expected a size');
        },
      ],
      run: (_context, size) => size,
    }),
    tags: method({ parameters: [listOf(text)], run: (_context, list) => list.toSorted() }),
    sizes: method({ parameters: [optional(listOf(int))], run: (_context, ids) => ids?.length ?? 0 }),
    pair: method({
      parameters: [(value): [number, string] | null => (value === null ? null : [1, text(value)])],
      run: () => undefined,
    }),
    count: method({
      parameters: [upload(listOf(int))],
      run: async (_context, lists) => ((await lists.next()).done === true ? 0 : 1),
    }),
    choices: method({ parameters: [], streaming: true, run: () => ['small', 'large'] as const }),
    whatever: method({ parameters: [], run: async () => 5 }),
  },
});

export const plain = createHub<Shop>({
  methods: {
    isOpen: () => true,
    find: async (_context, name) => (name === null ? undefined : { id: 1 }),
    size: () => 'small',
    tags: () => ['a'],
    sizes: () => 1,
    pair: () => undefined,
    count: method({ parameters: [upload(listOf(int))], run: () => 1 }),
    *choices() {
      yield 'small' as const;
    },
    whatever: () => ({}),
  },
});

/** Elsewhere than in its hub it says what its context is. */
export const total = method({
  parameters: [listOf(int), optional(int)],
  run: (_context: HubContext<undefined, unknown, object>, numbers, scale) =>
    numbers.reduce((sum, n) => sum + n, 0) * (scale ?? 1),
});

createHub<{ server: { total(numbers: number[], scale?: number): number }; client: object }>({ methods: { total } });
// @ts-expect-error it takes numbers
createHub<{ server: { total(numbers: string[], scale?: number): number }; client: object }>({ methods: { total } });
// @ts-expect-error it returns a number
createHub<{ server: { total(numbers: number[]): string }; client: object }>({ methods: { total } });
