/**
 * What every store guarantees, sentence by sentence of `src/store/store.ts`. Knows no implementation: it is given a way to
 * make one, and a clock to turn.
 */
import { describe } from 'node:test';
import type { StoreLimits } from '../../src/store/store.ts';
import { capabilityContract, connectionContract, ticketContract } from './store-access.ts';
import { lifeContract, openingLimitsContract, removalContract, wholeContract } from './store-life.ts';
import { appendContract, readContract } from './store-mailbox.ts';
import { parkingContract, parkingLimitsContract } from './store-parking.ts';
import { raceContract } from './store-races.ts';
import { receiveContract } from './store-receive.ts';
import { markContract } from './store-receipts.ts';
import { LIMITS } from './store-subject.ts';
import type { StoreUnderTest } from './store-subject.ts';
import { versionContract } from './store-versions.ts';

export type MakeStore = (limits: StoreLimits) => Promise<StoreUnderTest>;

/** @param skip why it cannot be tried here */
export function storeContract(name: string, make: MakeStore, skip: string | false = false): void {
  const start = (limits: Partial<StoreLimits> = {}): Promise<StoreUnderTest> => make({ ...LIMITS, ...limits });
  describe(`${name}, as a store`, { skip }, () => {
    describe('opening and ending', () => lifeContract(start));
    describe('limits on open transactions and references', () => openingLimitsContract(start));
    describe('append', () => appendContract(start));
    describe('receive', () => receiveContract(start));
    describe('parking', () => parkingContract(start));
    describe('limits and time of parking', () => parkingLimitsContract(start));
    describe('races for an event', () => raceContract(start));
    describe('read', () => readContract(start));
    describe('marks and receipts', () => markContract(start));
    describe('versions', () => versionContract(start));
    describe('forget and sweep', () => removalContract(start));
    describe('tokens and callbacks', () => capabilityContract(start));
    describe('tickets', () => ticketContract(start));
    describe('connections', () => connectionContract(start));
    describe('closing and many at once', () => wholeContract(start));
  });
}
