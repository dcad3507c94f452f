/** Says what in a history breaks a promise. Knows nothing of how the history came about. */
import { isDeepStrictEqual } from 'node:util';
import type { CallNote, History, MessageNote, ReceiptNote, SendNote, TabNote, VisitNote } from './history.ts';

/** What a handler that was done with a message replies. */
export function replyTo(key: unknown): object {
  return { done: key };
}

/** In which state a tab may be when its visit is over. One that was away learns of a forgotten transaction as of a bad token. */
const FINAL_STATES = {
  settled: ['settled'],
  forgotten: ['forgotten', 'revoked'],
  revoked: ['revoked'],
  open: ['open', 'polling', 'reconnecting', 'connecting'],
} as const;

/** Every fault in words; none when all was as promised. @throws Error when there is nothing to look at */
export function faultsIn({ visits, instances, leftovers }: History): string[] {
  if (visits.every(({ tabs }) => tabs.every(({ calls }) => calls.length === 0))) throw new Error('nothing was delivered');
  const owners = new Map(visits.flatMap(({ name, sends }) => sends.map(({ key }): [unknown, string] => [key, name])));
  return [
    ...visits.flatMap((visit) => faultsOfVisit(visit, owners)),
    ...instances.flatMap(({ name, crashes, errors }) => [...crashes, ...errors].map((fault) => `${name}: ${fault}`)),
    ...leftovers.map((row) => `left by a dead instance: ${row}`),
  ];
}

function faultsOfVisit(visit: VisitNote, owners: ReadonlyMap<unknown, string>): string[] {
  const { name, sends, tabs, log, receipts, delays } = visit;
  const faults = [
    ...delays.map((delay) => `waited in vain: ${delay}`),
    ...sends.flatMap((send) => faultsOfSend(send, visit)),
    ...tabs.flatMap((tab) => faultsOfTab(tab, visit, owners)),
    ...(log === undefined ? [] : faultsOfLog(log, owners, name)),
    ...(receipts ?? []).flatMap((receipt) => faultsOfReceipt(receipt, visit)),
  ];
  return faults.map((fault) => `${name} (${visit.transactionId}, ${visit.ending}): ${fault}`);
}

/** What one key was answered, and whether that is true of the mailbox. */
function faultsOfSend(send: SendNote, { log, tabs }: VisitNote): string[] {
  const { key, answers, refusal } = send;
  const faults = refusal === undefined ? [] : [`${key} was answered ${refusal}`];
  const [first] = answers;
  if (answers.some(({ id, sequence }) => id !== first?.id || sequence !== first?.sequence))
    faults.push(`${key} was answered differently: ${JSON.stringify(answers)}`);
  for (const { at, reply } of answers.filter(({ isHandled }) => isHandled)) {
    const isTrue = tabs.some(({ calls }) => calls.some((call) => call.key === key && (call.doneAt ?? Infinity) <= at));
    if (!isTrue) faults.push(`${key} was answered as handled before it was`);
    if (reply !== undefined && !isDeepStrictEqual(reply, replyTo(key))) faults.push(`${key} got the reply of another`);
  }
  return log === undefined ? faults : [...faults, ...faultsOfStorage(send, log)];
}

/** Once, where the answer said; never answered: once at most. */
function faultsOfStorage({ key, answers: [first], isLate }: SendNote, log: readonly MessageNote[]): string[] {
  const faults: string[] = [];
  const stored = log.filter((message) => message.key === key);
  if (stored.length > 1) faults.push(`${key} is stored ${stored.length} times`);
  if (first !== undefined && !isLate && stored.length === 0) faults.push(`${key} was answered, and is not stored`);
  for (const { id, sequence } of stored) {
    if (first?.id !== undefined && (first.id !== id || first.sequence !== sequence))
      faults.push(`${key} was answered ${first.sequence} ${first.id}, and is ${sequence} ${id}`);
  }
  return faults;
}

function faultsOfTab({ name, calls, state }: TabNote, visit: VisitNote, owners: ReadonlyMap<unknown, string>): string[] {
  const faults = [...faultsOfOrder(calls), ...faultsOfOrigin(calls, owners, visit.name)];
  const finals: readonly string[] = FINAL_STATES[visit.ending];
  if (state === undefined || !finals.includes(state)) faults.push(`is ${state} at the end`);
  for (const { id, sequence } of visit.log ?? []) {
    const done = calls.filter((call) => call.id === id && call.outcome === 'handled');
    if (done.length === 0) faults.push(`never got ${sequence} ${id}`);
  }
  return faults.map((fault) => `${name}: ${fault}`);
}

/** Each once, from the first on, without a gap; one that has failed comes again before the next. */
function faultsOfOrder(calls: readonly CallNote[]): string[] {
  const faults: string[] = [];
  const handled = new Map<unknown, number>();
  let position = 0;
  for (const { id, sequence, key, outcome } of calls) {
    if (sequence !== position + 1) faults.push(`got ${sequence} where it stood at ${position}`);
    const before = handled.get(id) ?? handled.get(key);
    if (before !== undefined) faults.push(`got ${String(key)} as ${sequence} ${id}, and had handled it as ${before}`);
    if (outcome !== 'handled') continue;
    handled.set(id, sequence).set(key, sequence);
    position = sequence;
  }
  return faults;
}

/** Nothing that nobody sent, and nothing that was sent to another. */
function faultsOfOrigin(messages: readonly MessageNote[], owners: ReadonlyMap<unknown, string>, name: string): string[] {
  return messages.flatMap(({ sequence, key }) => {
    const owner = owners.get(key);
    if (owner === name) return [];
    return [
      owner === undefined ? `nobody sent ${sequence}, ${String(key)}` : `${sequence}, ${String(key)}, was sent to ${owner}`,
    ];
  });
}

function faultsOfLog(log: readonly MessageNote[], owners: ReadonlyMap<unknown, string>, name: string): string[] {
  const faults = faultsOfOrigin(log, owners, name);
  if (log.some(({ sequence }, index) => sequence !== index + 1))
    faults.push(`the sequences are ${log.map(({ sequence }) => sequence).join()}`);
  return faults;
}

function faultsOfReceipt(receipt: ReceiptNote, { tabs, log, ending, mayLackReceipts }: VisitNote): string[] {
  const { id, status, reply, storedAt, deliveredAt, handledAt } = receipt;
  const faults: string[] = [];
  const isDone = tabs.some(({ calls }) => calls.some((call) => call.id === id && call.outcome === 'handled'));
  if (status === 'handled' && !isDone) faults.push(`${id} is said to be handled, and no page has handled it`);
  if (status === 'failed') faults.push(`${id} is said to have failed`);
  const isLost = ending !== 'open' && mayLackReceipts === true;
  if (status !== 'handled' && isDone && !isLost) faults.push(`${id} was handled, and is said to be ${status}`);
  const key = log?.find((message) => message.id === id)?.key;
  if (reply !== undefined && !isDeepStrictEqual(reply, replyTo(key))) faults.push(`${id} has the reply ${JSON.stringify(reply)}`);
  const times = [storedAt, deliveredAt, handledAt].filter((time) => time !== undefined);
  if (!isDeepStrictEqual(times, times.toSorted())) faults.push(`${id} has the times ${times.join(', ')}`);
  return faults;
}
