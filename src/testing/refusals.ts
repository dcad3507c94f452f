/**
 * Which of the coming requests and handshakes a test hub refuses.
 */
import type { Refusal, RequestKind } from '../signalr/index.ts';

export interface RefuseOptions {
  /** Default: `negotiate`. */
  readonly kind?: RequestKind;
  /** How many of them. Default: all, until {@link TestHub.accept}. */
  readonly times?: number;
}

interface Planned {
  readonly kind: RequestKind | 'handshake';
  readonly refusal: Refusal;
  times: number;
}

export class Refusals {
  readonly #planned: Planned[] = [];

  plan(refusal: Refusal, { kind = 'negotiate', times = Infinity }: RefuseOptions): void {
    this.#planned.push({ kind, refusal, times });
  }

  planHandshake(text: string, times: number): void {
    this.#planned.push({ kind: 'handshake', refusal: { status: 200, body: text }, times });
  }

  clear(): void {
    this.#planned.length = 0;
  }

  /** The answer to this one, if it is refused. */
  next(kind: RequestKind | 'handshake'): Refusal | undefined {
    const index = this.#planned.findIndex((planned) => planned.kind === kind);
    const planned = this.#planned[index];
    if (planned === undefined) return undefined;
    planned.times--;
    if (planned.times <= 0) this.#planned.splice(index, 1);
    return planned.refusal;
  }
}
