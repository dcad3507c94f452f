/** The status of an answer, in a colour of its own. */

export function StatusBadge({ status }: { readonly status: number }) {
  return (
    <span className="call-status" data-tone={status >= 200 && status < 300 ? 'good' : 'bad'}>
      {status === 0 ? 'no answer' : status}
    </span>
  );
}
