/**
 * The orders of the demo's shop. Nothing is kept of them: the number itself says what was ordered, so that a restart loses
 * none.
 */
import { createHash, randomInt } from 'node:crypto';

/** None that is read as another one. */
const LETTERS = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';
const RANDOM_LETTERS = 9;
const FORM = new RegExp(`^LC-[${LETTERS}]{5}-[${LETTERS}]{5}$`);

export interface Item {
  readonly name: string;
  readonly detail: string;
  /** In cents. */
  readonly amount: number;
}

export interface Order {
  readonly order: string;
  readonly item: Pick<Item, 'name' | 'detail'>;
  readonly amount: number;
  readonly currency: 'EUR';
}

const ITEMS: readonly Item[] = [
  { name: 'House espresso', detail: '1 kg, whole beans', amount: 2_650 },
  { name: 'Pour-over set', detail: 'Dripper, server and 100 filters', amount: 4_200 },
  { name: 'Filter sampler', detail: 'Three origins, 250 g each', amount: 3_490 },
  { name: 'Hand grinder', detail: 'Steel burrs, 30 g', amount: 11_900 },
  { name: 'Coffee subscription', detail: 'Three months, two bags each', amount: 8_400 },
];

/** `LC-XXXXX-XXXXX`: 44 random bits and a letter that shows a typing mistake. */
export function newOrderNumber(): string {
  const letters = Array.from({ length: RANDOM_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  const all = letters + checkLetter(letters);
  return `LC-${all.slice(0, 5)}-${all.slice(5)}`;
}

/** The order of this number; undefined: the shop has never given out such a number. */
export function orderOf(number: string): Order | undefined {
  if (!FORM.test(number)) return undefined;
  const letters = number.slice(3).replace('-', '');
  if (checkLetter(letters.slice(0, RANDOM_LETTERS)) !== letters.at(RANDOM_LETTERS)) return undefined;
  const item = ITEMS[digest(number, 'item') % ITEMS.length];
  if (item === undefined) return undefined;
  return { order: number, item: { name: item.name, detail: item.detail }, amount: item.amount, currency: 'EUR' };
}

function checkLetter(letters: string): string {
  return LETTERS.charAt(digest(letters, 'check') % LETTERS.length);
}

function digest(text: string, purpose: string): number {
  return createHash('sha256').update(`${purpose} ${text}`).digest().readUInt32BE(0);
}
