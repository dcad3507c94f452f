/** The chat in a Fastify app, behind the app's hooks. */
import Fastify from 'fastify';
import { fastifyPlugin } from 'ringback/signalr';
import { endpoint, port, tell } from './chat.ts';

const app = Fastify();
app.addHook('onRequest', async (_request, reply) => void reply.raw.setHeader('x-app', 'fastify'));
app.get('/', async () => 'the app');
await app.register(fastifyPlugin(endpoint), { prefix: '/chat' });
await app.listen({ host: '127.0.0.1', port });
tell(app.server.address());
