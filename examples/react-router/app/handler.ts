/** The server build: React Router as a handler for Express. What loaders need is given to them by the server, in the context. */
import { createRequestHandler, type RequestHandler } from '@react-router/express';
import { RouterContextProvider } from 'react-router';
import type { Ringback } from 'ringback';
import { ringbackContext } from './context.ts';

export function handlerFor(ringback: Ringback): RequestHandler {
  return createRequestHandler({
    build: () => import('virtual:react-router/server-build'),
    getLoadContext: () => new RouterContextProvider(new Map([[ringbackContext, ringback]])),
  });
}
