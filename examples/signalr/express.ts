/** The chat in an Express app, behind what the app does with each request. */
import express from 'express';
import { attachUpgrades, expressHandler } from 'ringback/signalr';
import { endpoint, port, tell } from './chat.ts';

const app = express();
app.use((_request, response, next) => {
  response.set('x-app', 'express');
  next();
});
app.use('/chat', expressHandler(endpoint));
app.get('/', (_request, response) => void response.send('the app'));

const server = app.listen(port, '127.0.0.1', () => tell(server.address()));
// Express hands on no upgrades.
attachUpgrades(server, '/chat', endpoint);
