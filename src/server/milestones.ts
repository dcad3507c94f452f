/**
 * Where the server is on its two walks, as `node:diagnostics_channel`s: for tests that end the process exactly there, and
 * for whoever wants to trace it. Without a subscriber they cost a look at a flag.
 *
 * Seen from one message, in the order in which they are met:
 * - `ringback:sqlite.inside-batch`, `ringback:sqlite.before-commit`, `ringback:sqlite.after-commit`: see
 *   `store/sqlite/batch.ts`; they are published in the worker thread of the store
 * - `ringback:page.delivered`: handed to the connection of a page; its bytes leave at the end of the turn
 * - `ringback:send.committed`: the sender's message is committed and its readers were rung for; the sender has no answer yet
 * - `http.server.response.finish` (Node's own): the sender's answer was written
 * - `ringback:page.acked`: the page's ack is noted; its mark is not yet written, unless somebody waits for it
 *
 * And `ringback:drain.begun`: nothing new is taken, nothing is closed yet.
 */
import { channel, type Channel } from 'node:diagnostics_channel';

/** Each message has `transactionId` and `sequence`. */
export const pageDelivered: Channel = channel('ringback:page.delivered');
/** Each message has `transactionId` and `sequence`. */
export const sendCommitted: Channel = channel('ringback:send.committed');
/** Each message has `transactionId`. */
export const pageAcked: Channel = channel('ringback:page.acked');
/** Each message has `withinMs`: how long it may take to send the pages away. */
export const drainBegun: Channel = channel('ringback:drain.begun');
