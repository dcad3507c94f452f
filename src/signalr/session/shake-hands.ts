/**
 * From a client's first frame to the protocol that it will speak, or the text that refuses it; the app has its say in between.
 */
import type { HubConnection } from '../hub/hub-connection.ts';
import { HubError } from '../hub/hub-error.ts';
import type { HubOptions } from '../hub/hub-options.ts';
import { parseHandshakeRequest } from '../protocol/handshake.ts';
import type { HubProtocol } from '../protocol/hub-protocol.ts';
import { chooseProtocol } from './choose-protocol.ts';
import { faultText, handshakeFailed } from './fault-text.ts';

/** Who asks to come in. */
export interface Guest<P, Items> extends HubConnection<P, Items> {
  /** @param version of the hub protocol, as the client has it. Throws what the app does when it is asked whose this is. */
  welcome(protocol: HubProtocol, version: number): void;
  /** @param error why, if it is more than the client's wrong choice */
  refuse(text: string, error?: unknown): void;
}

export interface House<P, Items> extends Pick<HubOptions<P, Items>, 'onHandshake'> {
  readonly protocols: readonly HubProtocol[];
  readonly enableDetailedErrors: boolean;
}

/** Without a hook of the app all of it happens at once. */
export function shakeHands<P, Items>(frame: Buffer, guest: Guest<P, Items>, house: House<P, Items>): void {
  try {
    const request = parseHandshakeRequest(frame);
    const protocol = chooseProtocol(request, house.protocols, guest.transport);
    if (typeof protocol === 'string') guest.refuse(protocol);
    else if (house.onHandshake === undefined) guest.welcome(protocol, request.version);
    else void askApp(guest, house, () => guest.welcome(protocol, request.version));
  } catch (error) {
    refuseFor(error, guest, house);
  }
}

async function askApp<P, Items>(guest: Guest<P, Items>, house: House<P, Items>, welcome: () => void): Promise<void> {
  try {
    await house.onHandshake?.(guest);
    if (!guest.isClosed) welcome();
  } catch (error) {
    refuseFor(error, guest, house);
  }
}

function refuseFor<P, Items>(error: unknown, guest: Guest<P, Items>, { enableDetailedErrors }: House<P, Items>): void {
  guest.refuse(error instanceof HubError ? error.message : faultText(handshakeFailed, error, enableDetailedErrors), error);
}
