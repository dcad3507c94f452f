/**
 * One batch at a time, each exactly once: the lane and the number of a batch are committed with it, so that one whose
 * confirmation was lost can be asked for again and is either answered as it was or done now. Knows nothing of what is in it.
 */
import { randomBytes } from 'node:crypto';
import type { Statement } from '../../postgres/pool.ts';
import { persist } from './persist.ts';
import type { Means } from './persist.ts';

export class Lane {
  readonly #means: Means;
  readonly #id = randomBytes(8).readBigInt64BE().toString();
  #batch = 0;

  constructor(means: Means) {
    this.#means = means;
  }

  /**
   * @param values from the third parameter on; the first two are the lane and the batch
   * @returns the answers as JSON
   */
  async run(statement: Statement, values: readonly unknown[]): Promise<string> {
    const batch = ++this.#batch;
    const [row] = await persist(this.#means, () =>
      this.#means.pool.query<{ answers: string }>(statement, [this.#id, batch, ...values]),
    );
    if (row === undefined) throw new TypeError('expected one row of answers');
    return row.answers;
  }
}
