/** A hub that only echoes, and that loses one text, doubles another and gives a third to somebody else. */
import { createServer } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { sayWhere } from '../../bench/servers/say-where.ts';

/** By the number of the text. */
const LOST = 20;
const DOUBLED = 30;
const MISROUTED = 40;

const server = createServer();
const sockets = new WebSocketServer({ server });

sockets.on('connection', (socket) => {
  socket.on('message', (data: Buffer) => {
    const call = data.toString();
    if (!call.includes('Echo')) {
      socket.send('{}\u001e');
      return;
    }
    const number = Number(/#(\d+)#/.exec(call)?.[1]);
    for (const target of targetsOf(number, socket)) target.send(call);
  });
});

function targetsOf(number: number, socket: WebSocket): WebSocket[] {
  if (number === LOST) return [];
  if (number === DOUBLED) return [socket, socket];
  const other = [...sockets.clients].find((each) => each !== socket);
  return number === MISROUTED && other !== undefined ? [other] : [socket];
}

sayWhere(server, 'faulty');
