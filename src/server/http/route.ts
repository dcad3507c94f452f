/** What all routes say and do alike. */
import type { FastifyReply } from 'fastify';
import type { JsonText } from '../../store/store.ts';

/** The part of a route's schema that only people read. */
export function documented(summary: string, description: string): { summary: string; description: string } {
  return { summary, description };
}

/** On every answer, whoever gives it. */
export const EVERYWHERE = { vary: 'Origin', 'x-content-type-options': 'nosniff' } as const;

const JSON_HEADERS = { 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' } as const;

/** Answers with text that is JSON already. */
export function json(reply: FastifyReply, text: JsonText): FastifyReply {
  return reply.headers(JSON_HEADERS).send(text);
}

const STRAIGHT_HEADERS = Object.entries({ ...JSON_HEADERS, ...EVERYWHERE }).flat();

/**
 * The same answer without Fastify's hooks and checks, which cost a send as much as its storing: for routes that are not for
 * pages, once the body was read.
 */
export function straightJson(reply: FastifyReply, status: number, text: JsonText): void {
  reply.hijack();
  reply.raw.writeHead(status, [...STRAIGHT_HEADERS, 'content-length', String(Buffer.byteLength(text))]).end(text);
}
