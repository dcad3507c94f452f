/** Who is at the other end of a hub connection, as the request that connected proved it. */

export interface Page {
  readonly transactionId: string;
  /** The access token that it lives by; absent where the app authenticated the page itself. */
  readonly tokenId: string | undefined;
  /** Of the credential that was shown; a later request that shows the same needs no look into the store. */
  readonly credentialHash: string | undefined;
  /** The ticket to be tied to the connection before its handshake is answered. */
  readonly ticketHash: string | undefined;
  /** The position that the page says it has; absent where it said none. */
  readonly after: number | undefined;
}
