/**
 * Loaded into every child of supervise.mjs: when the parent is killed without a chance to pass a signal on (`kill -9`), the
 * child ends the same way, instead of staying behind with its port, its database file or a half-made node_modules.
 */
const self = process.execArgv.indexOf(`--import=${import.meta.url}`);
if (self !== -1) process.execArgv.splice(self, 1); // what the child forks is on its own leash

if (process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.channel.unref(); // the leash alone keeps nobody alive
}
