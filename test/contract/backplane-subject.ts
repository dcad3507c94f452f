/** What the parts of the doorbell's contract share: the doorbells that are looked at, and somebody who listens. */
import type { Backplane, News } from '../../src/backplane/backplane.ts';

export interface BackplanesUnderTest extends AsyncDisposable {
  /** One for each node, joined to each other; a doorbell for one node alone is the only one. */
  readonly nodes: readonly [Backplane, ...Backplane[]];
}

/** New ones each time: so many nodes where the doorbell is for several, else one. */
export type StartBackplanes = (count: number) => Promise<BackplanesUnderTest>;

/** Listens to one transaction and notes what it hears. */
export class Ear implements Disposable {
  readonly heard: (News | undefined)[] = [];
  readonly leave: () => void;
  #changed = Promise.withResolvers<void>();

  constructor(backplane: Backplane, transactionId: string) {
    this.leave = backplane.subscribe(transactionId, (news) => {
      this.heard.push(news);
      this.#changed.resolve();
    });
  }

  /** Resolves when it has heard so much. */
  async hears(count: number): Promise<void> {
    while (this.heard.length < count) {
      await this.#changed.promise;
      this.#changed = Promise.withResolvers<void>();
    }
  }

  /** What it has heard so far, which it forgets. */
  take(): (News | undefined)[] {
    return this.heard.splice(0);
  }

  [Symbol.dispose](): void {
    this.leave();
  }
}

/** One that rings of other nodes reach: it was rung for that, and has forgotten it. */
export async function attentive(backplane: Backplane, transactionId: string): Promise<Ear> {
  const ear = new Ear(backplane, transactionId);
  await ear.hears(1);
  ear.take();
  return ear;
}
