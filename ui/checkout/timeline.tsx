/** The chain as it happened: each step with its time and how long it took since the one before. */
import { durationText, gapText, timeText } from '../shop/clock-text.ts';
import type { Step } from '../shop/timeline.ts';

export interface TimelineProps {
  readonly steps: readonly Step[];
  /** From the last webhook to its acknowledgement. */
  readonly wayMs: number | undefined;
  readonly name: string;
}

export function Timeline({ steps, wayMs, name }: TimelineProps) {
  return (
    <div className="card chain">
      <div className="chain-head">
        <h3>What happened</h3>
        {wayMs !== undefined && (
          <p className="chain-way" data-testid="way">
            webhook to handled <b>{durationText(wayMs)}</b>
          </p>
        )}
      </div>
      <ol className="timeline" data-testid="timeline" aria-label={`Timeline of ${name}`}>
        {steps.map((step) => (
          <TimelineStep key={step.key} step={step} />
        ))}
      </ol>
    </div>
  );
}

function TimelineStep({ step: { kind, text, detail, at, gapMs } }: { readonly step: Step }) {
  return (
    <li className="step" data-step={kind} data-done={at !== undefined}>
      <span className="step-dot" aria-hidden />
      <div className="step-words">
        <p className="step-text">{text}</p>
        <p className="step-detail">{detail}</p>
      </div>
      {at === undefined ? (
        <p className="step-time">
          <span className="step-clock">to come</span>
        </p>
      ) : (
        <p className="step-time">
          <time className="step-clock" dateTime={at}>
            {timeText(at)}
          </time>
          {gapMs !== undefined && <span className="step-gap">{gapText(gapMs)}</span>}
        </p>
      )}
    </li>
  );
}
