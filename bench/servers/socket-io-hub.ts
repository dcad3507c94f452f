/** The calls of `--signalr` on Socket.IO: an echo, a broadcast, and a message to the room of one user. */
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { sayWhere } from './say-where.ts';

const server = createServer();
const io = new Server(server, { transports: ['websocket'], serveClient: false });

io.on('connection', (page) => {
  void page.join(String(page.handshake.query['user']));
  page.on('Echo', (text: string, answer: (text: string) => void) => answer(text));
  page.on('Broadcast', (text: string, answer: () => void) => {
    io.emit('message', text);
    answer();
  });
  page.on('Tell', (user: string, text: string, answer: () => void) => {
    io.to(user).emit('message', text);
    answer();
  });
});

sayWhere(server, 'socket.io');
