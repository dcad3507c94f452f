/**
 * An endpoint as a handler of Express, or of whatever else mounts by path and hands on Node's own objects.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { checkMountable, type Mountable } from './attach.ts';

interface MountedRequest extends IncomingMessage {
  /** The address before Express cut off the path at which the handler is mounted. */
  readonly originalUrl?: string;
}

/**
 * For `app.use('/hub', expressHandler(endpoint))`, behind no parser that takes bodies of any type; WebSockets need `attachUpgrades`
 * too. What runs before it in the app sees its requests.
 */
export function expressHandler(endpoint: Mountable): (request: MountedRequest, response: ServerResponse) => void {
  checkMountable(endpoint);
  return (request, response) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    // The hub is to see the address as its client has it.
    request.url = request.originalUrl ?? request.url;
    endpoint.handle(request, response, path);
  };
}
