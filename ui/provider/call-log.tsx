/** Every request that was sent, with its headers, and what it was answered. */
import { timeText } from '../shop/clock-text.ts';
import { StatusBadge } from './status-badge.tsx';
import type { LoggedCall } from './use-calls.ts';

const SIGNATURE = 'webhook-signature';

export function CallLog({ log }: { readonly log: readonly LoggedCall[] }) {
  const first = log[0];
  return (
    <section className="card" aria-labelledby="calls">
      <h2 id="calls">What was sent</h2>
      <p className="hidden-text" role="status">
        {first === undefined ? '' : `${typeOf(first)} sent, answered ${first.status}`}
      </p>
      {first === undefined && <p className="empty">Nothing yet.</p>}
      <ol className="calls" data-testid="calls">
        {log.map((call, i) => (
          <li key={`${call.sentAt} ${log.length - i}`}>
            <Call call={call} isOpen={i === 0} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Call({ call, isOpen }: { readonly call: LoggedCall; readonly isOpen: boolean }) {
  const { url, headers, body, status, answer, sentAt, tookMs } = call;
  return (
    <details className="call" open={isOpen} data-testid="call" data-status={status} data-kind={call.kind}>
      <summary>
        <StatusBadge status={status} />
        <span className="call-type">{typeOf(call)}</span>
        <span className="call-time">
          {timeText(sentAt)}, {Math.round(tookMs)} ms
        </span>
      </summary>
      <div className="wire">
        <h3>Request</h3>
        <pre>
          <b>POST</b> {new URL(url).pathname}
          {'\n'}
          {Object.entries(headers).map(([name, value]) => (
            <span key={name} className={name === SIGNATURE ? 'wire-signature' : undefined}>
              {name}: {value}
              {'\n'}
            </span>
          ))}
          {'\n'}
          {pretty(body)}
        </pre>
        <h3>Answer</h3>
        <pre>
          <b>{status === 0 ? 'none' : status}</b>
          {'\n'}
          {pretty(answer)}
        </pre>
      </div>
    </details>
  );
}

function typeOf({ body }: LoggedCall): string {
  const event: { type?: string } = JSON.parse(body);
  return event.type ?? '';
}

/** For the eye; what was signed is the text without this white space. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
