/** Runs the contract of doorbells over each of them. */
import { test } from 'node:test';
import { MemoryBackplane } from '../../src/backplane/memory.ts';
import { Cluster } from '../backplane/cluster.ts';
import { noPostgres } from '../fixtures/postgres.ts';
import { backplaneContract } from './backplane.ts';

backplaneContract('MemoryBackplane', {
  isShared: false,
  start: async () => {
    const backplane = new MemoryBackplane();
    return { nodes: [backplane], [Symbol.asyncDispose]: () => backplane[Symbol.asyncDispose]() };
  },
});

if (noPostgres === false)
  backplaneContract('PostgresBackplane', {
    isShared: true,
    start: async (count) => {
      const cluster = await Cluster.start(count);
      const [first, ...others] = cluster.members.map(({ backplane }) => backplane);
      if (first === undefined) throw new RangeError('expected at least one node');
      return { nodes: [first, ...others], [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
    },
  });
else test('PostgresBackplane, as a doorbell', { skip: noPostgres }, () => undefined);
