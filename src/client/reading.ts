/**
 * Takes messages into the log, in order, without a gap, each once, from wherever they are read; and notices, by their ids, when
 * the log has become another: a database restored from a backup.
 */
import type { Message } from './api.ts';
import { cut } from './position.ts';
import type { Session } from './session.ts';

/** Where a reading is to begin. On a new way the last message is read again, to see that it is still the same. */
export function start({ log, channel }: Session): number {
  return Math.max(0, log.length - (channel ? 0 : 1));
}

/** The last sequence that there must be when a reading ends that begins now. */
export function expected({ log, done }: Session): number {
  return Math.max(log.length, done);
}

/** False: the message does not follow on what is here, and another reading has to be begun. */
export function take(session: Session, message: Message): boolean {
  const { log, ids } = session;
  const { id, sequence } = message;
  const known = ids[sequence - 1];
  if (sequence > log.length + 1) return false;
  if (known && known !== id) {
    // From where on it is another, only a reading from its beginning tells; the ids are kept for that.
    if (sequence === log.length) {
      log.length = 0;
      return false;
    }
    cut(session, sequence - 1);
  }
  if (sequence > log.length) {
    log.push(message);
    ids[sequence - 1] = id;
    session.messages = undefined;
    session.isChanged = true;
  }
  return true;
}

/** There is no more than `sequence`. False: that cannot be, and another reading has to tell what there is. */
export function finish(session: Session, least: number, sequence: number): boolean {
  const { log } = session;
  if (sequence < least) {
    if (log.length > sequence) {
      log.length = 0;
      return false;
    }
    cut(session, sequence);
  }
  return true;
}
