/** Where a node is reached by its peers, as the directory has it: `10.0.0.7:40123`, `[fd00::7]:40123`. */
import { isIP } from 'node:net';

export interface PeerAddress {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

const FORM = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^\s:/@[\]]{1,253})):(?<port>\d{1,5})$/;

export function peerAddressText({ host, port }: PeerAddress): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** Undefined: no address that could be called. */
export function readPeerAddress(text: string): PeerAddress | undefined {
  const { v6, host = v6, port }: Record<string, string | undefined> = FORM.exec(text)?.groups ?? {};
  if (host === undefined || (v6 !== undefined && isIP(v6) !== 6)) return undefined;
  const number = Number(port);
  return number > 0 && number < 65_536 ? { host, port: number } : undefined;
}
