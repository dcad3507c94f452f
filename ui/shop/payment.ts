/**
 * What has become of a payment: a fold over all messages of its transaction. The same whatever their order and however often
 * they come, since a later stage is never undone by an earlier one.
 */
import type { Message } from 'ringback/client';

export type Outcome = 'waiting' | 'authorised' | 'declined' | 'paid';

export interface Payment {
  readonly outcome: Outcome;
  /** Why it was declined, in the provider's words. */
  readonly reason?: string;
}

/** A declined payment can still be paid, with another card; a paid one stays paid. */
const STAGES: Readonly<Record<string, Outcome>> = {
  'payment.authorised': 'authorised',
  'payment.declined': 'declined',
  'payment.captured': 'paid',
};
const ORDER: readonly Outcome[] = ['waiting', 'authorised', 'declined', 'paid'];

export function paymentOf(messages: readonly Message[]): Payment {
  return messages.reduce<Payment>(next, { outcome: 'waiting' });
}

function next(payment: Payment, message: Message): Payment {
  const stage = STAGES[message.type];
  if (stage === undefined) return payment;
  if (ORDER.indexOf(stage) < ORDER.indexOf(payment.outcome)) return payment;
  const reason = stage === 'declined' ? textMember(message.data, 'reason') : undefined;
  return { outcome: stage, ...(reason !== undefined && { reason }) };
}

function textMember(data: unknown, name: string): string | undefined {
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, name)) return undefined;
  const value: unknown = Reflect.get(data, name);
  return typeof value === 'string' ? value : undefined;
}
