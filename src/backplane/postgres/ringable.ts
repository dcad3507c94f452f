/** Which names can be those of transactions: whatever else somebody rings for is on no other node. */

/** Without spaces, so that many fit into one notification; without a colon, which ends what comes before them there. */
const NAME = /^[\w-]{1,200}$/;

export function isRingable(transactionId: string): boolean {
  return NAME.test(transactionId);
}
