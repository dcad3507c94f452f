/** How far each message got, as the sender can ask: stored, delivered, handled. */
import { gapText, timeText } from '../shop/clock-text.ts';
import type { OrderTrace, TracedMessage } from '../shop/order.ts';
import type { LoggedCall } from './use-calls.ts';

export interface ReceiptsProps {
  readonly trace: OrderTrace | undefined;
  readonly log: readonly LoggedCall[];
}

export function Receipts({ trace, log }: ReceiptsProps) {
  const waiting = trace?.transaction === null ? parkedOf(log) : 0;
  const messages = trace?.messages ?? [];
  return (
    <section className="card" aria-labelledby="receipts">
      <h2 id="receipts">What the sender sees</h2>
      {waiting > 0 && (
        <p className="note" data-testid="parked" role="status">
          {waiting === 1 ? 'One webhook waits' : `${waiting} webhooks wait`} for a page: taken, signature checked, stored. Open
          the checkout, and it is there.
        </p>
      )}
      {messages.length === 0 && waiting === 0 && <p className="empty">No message yet. Send a webhook.</p>}
      <ol className="receipts" data-testid="receipts">
        {messages.toReversed().map((message) => (
          <Receipt key={message.id} message={message} />
        ))}
      </ol>
    </section>
  );
}

/** Events that were taken; a repeat of one is the same. */
function parkedOf(log: readonly LoggedCall[]): number {
  return new Set(log.filter(({ status }) => status === 200).map(({ headers }) => headers['webhook-id'])).size;
}

function Receipt({ message }: { readonly message: TracedMessage }) {
  const { type, sequence, status, time, deliveredAt, handledAt, attempts, reply, error } = message;
  const since = (instant: string | undefined, before: string | undefined): string | undefined =>
    instant === undefined || before === undefined ? undefined : gapText(Date.parse(instant) - Date.parse(before));
  return (
    <li className="receipt" data-testid="receipt" data-status={status} data-type={type}>
      <p className="receipt-head">
        <span className="receipt-type">{type}</span>
        <span className="receipt-number">message {sequence}</span>
      </p>
      <ol className="track">
        <Stop text="Stored" at={timeText(time)} isReached />
        <Stop text="Delivered" at={since(deliveredAt, time)} isReached={deliveredAt !== undefined} />
        {status === 'failed' ? (
          <Stop text="Failed" at={undefined} isReached />
        ) : (
          <Stop text="Handled" at={since(handledAt, deliveredAt)} isReached={handledAt !== undefined} />
        )}
      </ol>
      <p className="receipt-foot">
        {attempts === 1 ? '1 delivery' : `${attempts} deliveries`}
        {reply !== undefined && (
          <>
            , the page replied <code>{JSON.stringify(reply)}</code>
          </>
        )}
        {error !== undefined && `, the page said: ${error}`}
      </p>
    </li>
  );
}

function Stop({ text, at, isReached }: { readonly text: string; readonly at: string | undefined; readonly isReached: boolean }) {
  return (
    <li className="stop" data-reached={isReached}>
      <span className="stop-text">{text}</span>
      <span className="stop-at">{at ?? (isReached ? '' : 'to come')}</span>
    </li>
  );
}
