/** Who is compared with whom: ringback with everybody; of several arrangements each with its like, and with its own first. */

export interface Compared {
  readonly head: string;
  readonly pairs: readonly { readonly of: string; readonly to: string; readonly head: string }[];
}

const OURS = 'ringback';
/** `ringback-postgres-2-elsewhere before`: what it is, how many instances are arranged how, and whose. */
const ARRANGED = /^(.+)-(\d+(?:-[a-z]+)?)( .*)?$/;

/** @param peers of one table, in its order */
export function pairsOf(peers: readonly string[]): Compared {
  if (peers.includes(OURS)) {
    const pairs = peers.filter((name) => name !== OURS).map((to) => ({ of: OURS, to, head: to }));
    return { head: `${OURS} ÷ or − …`, pairs };
  }
  const arranged = peers.map((name) => {
    const [, product = '', arrangement = '', variant = ''] = ARRANGED.exec(name) ?? [];
    return { name, product, arrangement, isOurs: product.startsWith(OURS) && variant === '' };
  });
  const ours = arranged.filter(({ isOurs }) => isOurs);
  const beside = ours.flatMap((each, place) =>
    arranged
      .filter(({ arrangement }) => arrangement === each.arrangement)
      .filter((other) => !other.isOurs || ours.indexOf(other) < place)
      .map((other) => pairOf(each.name, other.name)),
  );
  const growth = ours.flatMap((each) => {
    const first = ours.find(({ product }) => product === each.product);
    return first === undefined || first === each ? [] : [pairOf(each.name, first.name)];
  });
  return { head: '… ÷ or − …', pairs: [...beside, ...growth] };
}

function pairOf(of: string, to: string): Compared['pairs'][number] {
  return { of, to, head: `${of} ÷ ${to}` };
}
