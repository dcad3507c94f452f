/** What a provider can do, well or badly. */
import { Ban, CircleCheck, CircleX, Clock, Copy, Hourglass, ShieldX, Shuffle, type LucideIcon } from 'lucide-react';
import type { EventKind } from '../shop/order.ts';
import { StatusBadge } from './status-badge.tsx';
import { LATE_SECONDS, type Calls } from './use-calls.ts';

interface Action {
  readonly kind: EventKind;
  readonly icon: LucideIcon;
  readonly title: string;
  readonly text: string;
  readonly tone?: 'good' | 'bad';
}

const USUAL: readonly Action[] = [
  { kind: 'success', icon: CircleCheck, title: 'Payment succeeds', text: 'The page turns to paid.', tone: 'good' },
  { kind: 'failure', icon: CircleX, title: 'Payment is declined', text: 'The page says why.', tone: 'bad' },
  { kind: 'authorised', icon: Hourglass, title: 'Authorised only', text: 'Reserved; the page goes on waiting.' },
];

const UNUSUAL: readonly Action[] = [
  { kind: 'duplicate', icon: Copy, title: 'Send it twice', text: 'Two calls, one event id: the page sees one message.' },
  {
    kind: 'out-of-order',
    icon: Shuffle,
    title: 'In the wrong order',
    text: '“Captured” before “authorised”: the page stays paid.',
  },
  { kind: 'forged', icon: ShieldX, title: 'Forged signature', text: 'Signed with another secret: 401, and nothing is kept.' },
];

export function Actions({ calls }: { readonly calls: Calls }) {
  return (
    <section className="actions" aria-labelledby="actions">
      <h2 id="actions">Send a webhook</h2>
      <div className="action-list">
        {USUAL.map((action) => (
          <ActionButton key={action.kind} action={action} calls={calls} />
        ))}
      </div>
      <h3>As it goes wrong in life</h3>
      <div className="action-list">
        {UNUSUAL.map((action) => (
          <ActionButton key={action.kind} action={action} calls={calls} />
        ))}
        <LateButton calls={calls} />
      </div>
    </section>
  );
}

function ActionButton({
  action: { kind, icon: Icon, title, text, tone },
  calls,
}: {
  readonly action: Action;
  readonly calls: Calls;
}) {
  return (
    <button
      type="button"
      className="action"
      data-tone={tone}
      onClick={() => calls.send(kind)}
      aria-busy={calls.sending === kind}
      aria-labelledby={`action-${kind}`}
      aria-describedby={`about-${kind}`}
      data-testid={`send-${kind}`}
    >
      <Icon aria-hidden />
      <span>
        <span className="action-title" id={`action-${kind}`}>
          {title}
        </span>
        <span className="action-text" id={`about-${kind}`}>
          {text}
        </span>
      </span>
      <LastAnswers kind={kind} calls={calls} />
    </button>
  );
}

/** What the last use of a button was answered; on a phone, the log is further down. */
function LastAnswers({ kind, calls: { log } }: { readonly kind: EventKind; readonly calls: Calls }) {
  const newest = log.find((call) => call.kind === kind);
  if (newest === undefined) return null;
  const together = log.filter(({ batch }) => batch === newest.batch).toReversed();
  return (
    <span className="action-answers">
      {together.map((call, i) => (
        <StatusBadge key={i} status={call.status} />
      ))}
    </span>
  );
}

function LateButton({ calls: { lateIn, problem, sendLate, cancelLate } }: { readonly calls: Calls }) {
  const isPlanned = lateIn !== undefined;
  const Icon = isPlanned ? Ban : Clock;
  return (
    <button
      type="button"
      className="action"
      onClick={isPlanned ? cancelLate : sendLate}
      aria-labelledby="action-late"
      aria-describedby="about-late"
      data-testid="send-late"
    >
      <Icon aria-hidden />
      <span>
        <span className="action-title" id="action-late">
          {isPlanned ? planned(lateIn, problem !== undefined) : `Succeeds in ${LATE_SECONDS} seconds`}
        </span>
        <span className="action-text" id="about-late">
          {isPlanned ? 'Now reload, close or cut off the page.' : 'Time to reload the page, or to restart the server.'}
        </span>
      </span>
    </button>
  );
}

function planned(seconds: number, isRetry: boolean): string {
  return isRetry ? 'Trying again until it is taken; cancel' : `In ${seconds} s; cancel`;
}
