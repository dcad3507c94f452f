/**
 * A reporter for Node's test runner, beside `spec`: fails a run that looked at too little. A file without a test and a run
 * without a test always fail, and so does a file that never ends, because it left something running; under CI a skipped or
 * unfinished (todo) test fails too. Prints only why.
 */
import { resolve } from 'node:path';

/** Longer than any test may take; Node's own time-out does not end a file whose tests are through. */
const IDLE_MS = Number(process.env['TEST_IDLE_MS'] ?? 240_000);

const isCi = process.env['CI'] === 'true';

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* strict(events) {
  let executed = 0;
  const watchdog = setTimeout(endRun, IDLE_MS).unref();
  for await (const { type, data } of events) {
    watchdog.refresh();
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite') continue;
    const isWholeFile = data.nesting === 0 && resolve(data.name) === data.file;
    if (isWholeFile && type === 'test:pass') yield fault(`${data.name} holds no test`);
    else if (data.skip !== undefined || data.todo !== undefined) {
      if (isCi) yield fault(`"${data.name}" was ${data.skip === undefined ? 'a todo' : 'skipped'}, which CI does not allow`);
    } else executed += 1;
  }
  clearTimeout(watchdog);
  if (executed === 0) yield fault('no test was executed');
}

function endRun() {
  process.stderr.write(fault(`nothing happened for ${IDLE_MS / 1000} s; what still runs is ended and named`));
  process.kill(process.pid, 'SIGTERM'); // the runner then ends its files and reports
}

/** @param {string} text */
function fault(text) {
  process.exitCode = 1;
  return `[strict] ${text}\n`;
}
