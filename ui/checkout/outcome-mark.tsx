/** The sign of an outcome. Drawn by classes only: the policy of the page takes no inline style. */

export type MarkKind = 'waiting' | 'authorised' | 'paid' | 'declined' | 'ended' | 'problem';

const STROKES: Readonly<Record<MarkKind, string>> = {
  waiting: '',
  authorised: 'M32 22v11l7 5',
  paid: 'm21 33 8 8 15-17',
  declined: 'm24 24 16 16M40 24 24 40',
  ended: 'M23 32h18',
  problem: 'M32 21v14M32 42v.5',
};

export function OutcomeMark({ kind }: { readonly kind: MarkKind }) {
  return (
    <svg key={kind} className="mark" data-kind={kind} viewBox="0 0 64 64" aria-hidden>
      <circle className="mark-ring" cx="32" cy="32" r="28" />
      {kind === 'waiting' ? (
        <circle className="mark-sweep" cx="32" cy="32" r="28" pathLength="100" />
      ) : (
        <path className="mark-stroke" d={STROKES[kind]} pathLength="100" />
      )}
    </svg>
  );
}
