/** ASP.NET Core SignalR with a dictionary from id to connection; negotiate and connect as the stock client does. */
import { countOf, plainId, type Dialect } from './dialect.ts';
import { ackInvocation, HANDSHAKE, negotiate, PING_FRAME, recordReader } from './signalr.ts';

export function aspnetDialect(): Dialect {
  return {
    async open(index, http) {
      const id = plainId(index);
      const { connectionToken } = await negotiate(http, [], `&page=${id}`);
      return { id, path: `/hub?page=${id}&id=${connectionToken}` };
    },
    greet: (page) => page.write(HANDSHAKE),
    read: recordReader({ handshake: (page) => page.ready(), invocation: (page, record) => page.take(record, 0) }),
    ack: ackInvocation,
    post: (id) => ({ path: `/send/${id}`, headers: ['Content-Type: application/json'] }),
    keepAlive: PING_FRAME,
    countAcks: (_ids, https) => countOf(https),
  };
}
