/** The window of the page, as far as the client listens to it. From the import on, for the whole process. */
import { setMaxListeners } from 'node:events';

const target = new EventTarget();
// There may be any number of pages.
setMaxListeners(0, target);
let count = 0;

Object.assign(globalThis, {
  addEventListener(type: string, listener: () => void, options: { readonly signal: AbortSignal }): void {
    count++;
    options.signal.addEventListener('abort', () => count--);
    target.addEventListener(type, listener, options);
  },
});

export function fire(type: 'online' | 'pageshow' | 'visibilitychange'): void {
  target.dispatchEvent(new Event(type));
}

export function listenerCount(): number {
  return count;
}
