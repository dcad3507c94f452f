/**
 * What follows the base of an endpoint in an address, which is matched as SignalR does: without regard to case. Undefined: it is
 * not the endpoint's.
 */
export function pathBelow(base: string, url = ''): '' | '/' | '/negotiate' | '/refresh' | undefined {
  const { length } = base;
  if (url.slice(0, length).toLowerCase() !== base.toLowerCase()) return undefined;
  const rest = url.slice(length).split('?', 1)[0]?.toLowerCase();
  return rest === '' || rest === '/' || rest === '/negotiate' || rest === '/refresh' ? rest : undefined;
}
