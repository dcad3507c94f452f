/**
 * The network between a test hub and its clients, as slow as a test wants it. Everything arrives in the order in which it was
 * sent: one line for each direction of each connection.
 */
import type { Clock, Timer } from '../clock.ts';

export class Network {
  readonly clock: Clock;
  readonly #lines = new Set<Line>();
  #delayMs = 0;
  #isHeld = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get delayMs(): number {
    return this.#delayMs;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Of what is sent from now on, in each direction. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    for (const line of this.#lines) line.move();
  }

  openLine(): Line {
    const line = new Line(this, (closed) => this.#lines.delete(closed));
    this.#lines.add(line);
    return line;
  }
}

export class Line {
  readonly #network: Network;
  readonly #onClosed: (line: Line) => void;
  readonly #waiting: { readonly dueAt: number; readonly arrive: () => void }[] = [];
  #timer: Timer | undefined;

  constructor(network: Network, onClosed: (line: Line) => void) {
    this.#network = network;
    this.#onClosed = onClosed;
  }

  /** Calls it when it arrives: at once where nothing holds it up. */
  send(arrive: () => void): void {
    const { clock, delayMs } = this.#network;
    this.#waiting.push({ dueAt: clock.steady() + delayMs, arrive });
    if (this.#timer === undefined) this.move();
  }

  move(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { clock } = this.#network;
    for (let first = this.#waiting[0]; first !== undefined && !this.#network.isHeld; first = this.#waiting[0]) {
      const leftMs = first.dueAt - clock.steady();
      if (leftMs > 0) {
        this.#timer = clock.after(leftMs, () => this.move());
        return;
      }
      this.#waiting.shift();
      first.arrive();
    }
  }

  /** What is still on its way is lost. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting.length = 0;
  }

  close(): void {
    this.clear();
    this.#onClosed(this);
  }
}
