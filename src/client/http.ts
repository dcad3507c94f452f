/** The HTTP API as a page uses it: reads messages, and says what became of them. */
import type { Message } from './api.ts';
import { end, type Receipt, type Session } from './session.ts';

export interface MailboxPage {
  readonly messages: readonly Message[];
  readonly lastSequence: number;
  readonly state: 'open' | 'settled' | 'expired';
}

/** With another status than 200 the body is something else. 500 without one: there was no answer, or none of ours. */
type Answer = readonly [status: number, body?: MailboxPage];

export async function tellByHttp(session: Session, receipt: Receipt): Promise<boolean | undefined> {
  const [status] = await ask(session, 'acks', { method: 'POST', body: JSON.stringify(receipt) });
  return status < 400 || (status < 500 ? false : undefined);
}

/** @param path below the transaction. Never rejects. */
export async function ask(session: Session, path: string, init?: RequestInit): Promise<Answer> {
  const { id, hubUrl, accessToken } = session.opened;
  try {
    const response = await fetch(hubUrl.replace(/\/hub(\?.*)?$/i, `/v1/transactions/${id}/${path}`), {
      ...init,
      headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
      // An ack may be the last thing that the page does.
      keepalive: true,
      signal: AbortSignal.timeout(15_000),
    });
    if (response.status === 401) end(session, session.ending ?? 'revoked');
    return [response.status, JSON.parse((await response.text()) || 'null')];
  } catch {
    return [500];
  }
}
