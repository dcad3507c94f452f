/**
 * Whether what was written still leaves: a reader that takes nothing makes us hold all that there is for it.
 */
export class WriteWatch {
  #writtenBytes = 0;
  /** The most that the operating system had accepted when last looked, and when that last grew. */
  #acceptedBytes = 0;
  #stuckSince = 0;

  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
  }

  /** For how long nothing has left, 0 while nothing waits. To be asked about once a second. @param now epoch milliseconds */
  stuckMs(waitingBytes: number, now: number): number {
    const accepted = this.#writtenBytes - waitingBytes;
    if (waitingBytes > 0 && accepted <= this.#acceptedBytes && this.#stuckSince > 0) return now - this.#stuckSince;
    this.#acceptedBytes = accepted;
    this.#stuckSince = waitingBytes === 0 ? 0 : now;
    return 0;
  }
}
