/** The state of the page's connection, in a word and a colour. */
import type { TransactionState } from 'ringback/client';

type Tone = 'good' | 'busy' | 'over' | 'bad';

const WORDS: Readonly<Record<TransactionState, readonly [Tone, string]>> = {
  connecting: ['busy', 'Connecting'],
  open: ['good', 'Live'],
  reconnecting: ['busy', 'Reconnecting'],
  polling: ['busy', 'Polling'],
  settled: ['over', 'Settled'],
  expired: ['over', 'Expired'],
  forgotten: ['bad', 'Forgotten'],
  revoked: ['bad', 'Revoked'],
  closed: ['over', 'Closed'],
};

export function ConnectionBadge({ state }: { readonly state: TransactionState | undefined }) {
  const [tone, word] = state === undefined ? (['busy', 'Opening'] as const) : WORDS[state];
  return (
    <p className="badge" data-tone={tone} data-testid="connection" data-state={state ?? 'opening'} role="status">
      <span className="badge-dot" aria-hidden />
      <span className="hidden-text">Connection: </span>
      {word}
    </p>
  );
}
