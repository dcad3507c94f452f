/** What the chaos test looks for it finds: each planted fault is told, and a history without one is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultsIn, replyTo } from './checker.ts';
import type { CallNote, History, TabNote, VisitNote } from './history.ts';

const TIMES = {
  storedAt: '2026-01-01T00:00:00.000Z',
  deliveredAt: '2026-01-01T00:00:00.010Z',
  handledAt: '2026-01-01T00:00:00.020Z',
};

function call(name: string, sequence: number, outcome: CallNote['outcome'] = 'handled'): CallNote {
  return {
    id: `${name}-id-${sequence}`,
    sequence,
    key: `${name}-key-${sequence}`,
    at: sequence * 100,
    outcome,
    doneAt: sequence * 100 + 1,
  };
}

/** Three messages, all sent, answered, handled and told; the second failed once in the first tab. */
function goodVisit(name: string): VisitNote {
  const sequences = [1, 2, 3];
  const log = sequences.map((sequence) => ({ id: `${name}-id-${sequence}`, sequence, key: `${name}-key-${sequence}` }));
  const first = {
    name: 'tab 1',
    loads: 2,
    state: 'settled',
    calls: [call(name, 1), call(name, 2, 'failed'), call(name, 2), call(name, 3)],
  };
  const second = { name: 'tab 2', loads: 1, state: 'settled', calls: sequences.map((sequence) => call(name, sequence)) };
  const answer = (sequence: number) => ({ at: 1_000, id: `${name}-id-${sequence}`, sequence, isHandled: sequence === 3 });
  return {
    name,
    transactionId: `txn_${name}`,
    ending: 'settled',
    sends: [
      ...sequences.map((sequence) => ({
        key: `${name}-key-${sequence}`,
        kind: 'message' as const,
        answers: [answer(sequence), { ...answer(sequence), reply: replyTo(`${name}-key-${sequence}`) }],
        isLate: false,
        requests: 2,
      })),
      { key: `${name}-key-4`, kind: 'callback', answers: [], isLate: false, requests: 1 },
    ],
    tabs: [first, second],
    log,
    receipts: log.map(({ id, key }) => ({ id, status: 'handled', reply: replyTo(key), ...TIMES })),
    late: [],
    delays: [],
  };
}

function goodHistory(): History {
  const instances = [0, 1].map((number) => ({ name: `instance ${number}`, crashes: [], errors: [] }));
  return { visits: [goodVisit('a'), goodVisit('b')], instances, leftovers: [] };
}

function tabOf(history: History, number = 0): TabNote {
  return history.visits[0]?.tabs[number] ?? assert.fail();
}

function visitOf(history: History): VisitNote {
  return history.visits[0] ?? assert.fail();
}

function sendOf(history: History, number: number): VisitNote['sends'][number] {
  return visitOf(history).sends[number] ?? assert.fail();
}

test('a history without a fault has none', () => {
  assert.deepEqual(faultsIn(goodHistory()), []);
});

test('a history of nothing is refused', () => {
  assert.throws(() => faultsIn({ visits: [], instances: [], leftovers: [] }), /nothing was delivered/);
  const idle = goodHistory();
  for (const { tabs } of idle.visits) for (const { calls } of tabs) calls.length = 0;
  assert.throws(() => faultsIn(idle), /nothing was delivered/);
});

interface Planted {
  readonly name: string;
  readonly plant: (history: History) => void;
  /** Of these faults one at least is told. */
  readonly told: RegExp;
}

const PLANTED: readonly Planted[] = [
  { name: 'a message that a page never got', plant: (history) => tabOf(history).calls.pop(), told: /tab 1: never got 3 a-id-3/ },
  {
    name: 'a message that came to the handler, which was never done with it',
    plant: (history) => tabOf(history).calls.splice(-1, 1, call('a', 3, 'runs')),
    told: /never got 3/,
  },
  {
    name: 'a message that came twice',
    plant: (history) => tabOf(history).calls.push(call('a', 3)),
    told: /got a-key-3 as 3 a-id-3, and had handled it as 3/,
  },
  {
    name: 'a message that came twice, the second time under another id',
    plant: (history) => tabOf(history).calls.push({ ...call('a', 4), key: 'a-key-3' }),
    told: /got a-key-3 as 4 a-id-4, and had handled it as 3/,
  },
  {
    name: 'messages in another order',
    plant: (history) => tabOf(history, 1).calls.reverse(),
    told: /tab 2: got 3 where it stood at 0/,
  },
  {
    name: 'a message that was passed over',
    plant: (history) => tabOf(history, 1).calls.splice(1, 1),
    told: /tab 2: got 3 where it stood at 1/,
  },
  {
    name: 'a message of another transaction',
    plant: (history) => tabOf(history).calls.push({ ...call('b', 2), sequence: 4 }),
    told: /4, b-key-2, was sent to b/,
  },
  {
    name: 'a message that nobody sent',
    plant: (history) => tabOf(history).calls.push({ ...call('a', 4), key: 'from nowhere' }),
    told: /nobody sent 4, from nowhere/,
  },
  {
    name: 'an answered message that is not stored',
    plant: (history) => {
      const visit = visitOf(history);
      visit.log = visit.log?.slice(0, 2) ?? [];
    },
    told: /a-key-3 was answered, and is not stored/,
  },
  {
    name: 'an unanswered message that is stored twice',
    plant: (history) => {
      const visit = visitOf(history);
      const twice = [4, 5].map((sequence) => ({ id: `a-id-${sequence}`, sequence, key: 'a-key-4' }));
      visit.log = [...(visit.log ?? []), ...twice];
    },
    told: /a-key-4 is stored 2 times/,
  },
  {
    name: 'a gap in the sequences',
    plant: (history) => {
      const visit = visitOf(history);
      visit.log = visit.log?.filter(({ sequence }) => sequence !== 2) ?? [];
    },
    told: /the sequences are 1,3/,
  },
  {
    name: 'a message that is stored elsewhere than answered',
    plant: (history) => {
      const visit = visitOf(history);
      visit.log = visit.log?.map((message) => (message.sequence === 3 ? { ...message, id: 'another' } : message)) ?? [];
    },
    told: /a-key-3 was answered 3 a-id-3, and is 3 another/,
  },
  {
    name: 'one key with two answers',
    plant: (history) => sendOf(history, 0).answers.push({ at: 1_000, id: 'another', sequence: 1, isHandled: false }),
    told: /a-key-1 was answered differently/,
  },
  {
    name: 'an answer that nobody should get',
    plant: (history) => (sendOf(history, 3).refusal = '401 who are you'),
    told: /a-key-4 was answered 401/,
  },
  {
    name: 'a sender who is told of what has not happened',
    plant: (history) => sendOf(history, 2).answers.unshift({ at: 10, id: 'a-id-3', sequence: 3, isHandled: true }),
    told: /a-key-3 was answered as handled before it was/,
  },
  {
    name: 'a sender who gets the reply of another',
    plant: (history) =>
      sendOf(history, 2).answers.push({ at: 1_000, id: 'a-id-3', sequence: 3, isHandled: true, reply: replyTo('a-key-1') }),
    told: /a-key-3 got the reply of another/,
  },
  {
    name: 'a receipt of what no page has handled',
    plant: (history) => {
      for (const { calls } of visitOf(history).tabs) calls.pop();
    },
    told: /a-id-3 is said to be handled, and no page has handled it/,
  },
  ...(['stored', 'delivered', 'failed'] as const).map((status) => ({
    name: `a receipt that says ${status} of what was handled`,
    plant: (history: History) => {
      const visit = visitOf(history);
      visit.receipts = visit.receipts?.map((receipt) => ({ ...receipt, status })) ?? [];
    },
    told: /a-id-1 is said to have failed|a-id-1 was handled, and is said to be (stored|delivered)/,
  })),
  {
    name: 'a receipt with the reply to another message',
    plant: (history) => {
      const visit = visitOf(history);
      visit.receipts = visit.receipts?.map((receipt) => ({ ...receipt, reply: replyTo('a-key-1') })) ?? [];
    },
    told: /a-id-2 has the reply/,
  },
  {
    name: 'a message that was handled before it was delivered',
    plant: (history) => {
      const visit = visitOf(history);
      visit.receipts = visit.receipts?.map((receipt) => ({ ...receipt, handledAt: TIMES.storedAt })) ?? [];
    },
    told: /a-id-1 has the times/,
  },
  {
    name: 'a page that never knew the end',
    plant: (history) => (tabOf(history).state = 'open'),
    told: /tab 1: is open at the end/,
  },
  {
    name: 'what did not come in time',
    plant: (history) => visitOf(history).delays.push('the end'),
    told: /waited in vain: the end/,
  },
  {
    name: 'an instance that crashed',
    plant: (history) => history.instances[1]?.crashes.push('by itself'),
    told: /instance 1: by itself/,
  },
  {
    name: 'an error in a log',
    plant: (history) => history.instances[0]?.errors.push('{"level":"error"}'),
    told: /instance 0: \{/,
  },
  {
    name: 'rows of a dead instance',
    plant: (history) => history.leftovers.push('connection 7'),
    told: /dead instance: connection 7/,
  },
];

for (const { name, plant, told } of PLANTED) {
  test(`it finds ${name}`, () => {
    const history = goodHistory();
    plant(history);
    const faults = faultsIn(history);
    assert.ok(
      faults.some((fault) => told.test(fault)),
      `told: ${faults.join('; ')}`,
    );
  });
}

test('receipts may be lost with an instance that died at the end, but not those of a page that came back', () => {
  for (const ending of ['settled', 'open'] as const) {
    const history = goodHistory();
    const [first, ...others] = history.visits;
    assert.ok(first);
    const visit = { ...first, ending, mayLackReceipts: true };
    visit.receipts = first.receipts?.map((receipt) => ({ ...receipt, status: 'delivered' })) ?? [];
    for (const tab of visit.tabs) tab.state = ending;
    assert.equal(faultsIn({ ...history, visits: [visit, ...others] }).length, ending === 'settled' ? 0 : 3);
  }
});
