/** What all routes say and do alike. */
import type { FastifyReply } from 'fastify';
import type { JsonText } from '../../store/store.ts';

/** The part of a route's schema that only people read. */
export function documented(summary: string, description: string): { summary: string; description: string } {
  return { summary, description };
}

/** Answers with text that is JSON already. */
export function json(reply: FastifyReply, text: JsonText): FastifyReply {
  return reply.header('cache-control', 'no-store').type('application/json; charset=utf-8').send(text);
}
