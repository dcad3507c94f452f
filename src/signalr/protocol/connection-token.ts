/**
 * Connection tokens of endpoints that share their connections: each names the node that made it, and is sealed, so that
 * every node knows which tokens are real, where they belong and for whom they were made. Pure text and cryptography.
 *
 *     token = random (22) + kind (1) + seal (16) + user seal (16) + "." + node
 *
 * The kind is the version of negotiate, 0 or 1; 2 is version 1 with stateful reconnect.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';

const ID_BYTES = 16;
/** 96 bits each, in base64url. */
const SEAL_CHARS = 16;
const LEAST_KEY_BYTES = 32;
const RESUMABLE = '2';
const NODE_FORM = /^[\w-]{1,64}$/;
const TOKEN_FORM = /^(?<random>[\w-]{22})(?<kind>[012])(?<seal>[\w-]{16})(?<userSeal>[\w-]{16})\.(?<node>[\w-]{1,64})$/;

export interface IssuedToken {
  /** Secret, but with version 0, where it is the connection id too. */
  readonly token: string;
  readonly connectionId: string;
}

/** What a real token says. */
export interface NamedToken {
  readonly node: string;
  /** Follows from the token, so that any node knows it; the token does not follow from it, but with version 0. */
  readonly connectionId: string;
  /** Client and endpoint have agreed on stateful reconnect. */
  readonly isResumable: boolean;
}

export interface TokenFacts {
  /** 128 fresh random bits as 22 characters of base64url: what keeps the token secret. */
  readonly random: string;
  /** Of negotiate. */
  readonly version: number;
  /** With stateful reconnect, which version 0 does without. Default false. */
  readonly isResumable?: boolean;
  /** For whom it is made; see {@link ConnectionTokens.isFor}. */
  readonly user: string;
}

export interface ConnectionTokensOptions {
  /** The name of this node: 1 to 64 of `A-Z`, `a-z`, `0-9`, `_` and `-`. */
  readonly node: string;
  /** At least 32 secret bytes, the same at every node. */
  readonly key: Uint8Array;
}

export class ConnectionTokens {
  readonly #node: string;
  readonly #key: Uint8Array;

  /** @throws TypeError for a name that is not safe in a URL, or a short key */
  constructor({ node, key }: ConnectionTokensOptions) {
    if (!NODE_FORM.test(node)) throw new TypeError('the name of a node must be 1 to 64 letters, digits, underscores or hyphens');
    if (key.byteLength < LEAST_KEY_BYTES) throw new TypeError(`the key of the nodes must have at least ${LEAST_KEY_BYTES} bytes`);
    this.#node = node;
    this.#key = key;
  }

  /** 56 characters and the name of the node, safe in a URL as they stand: clients paste them there unencoded. */
  issue({ random, version, isResumable = false, user }: TokenFacts): IssuedToken {
    const kind = version === 0 ? '0' : isResumable ? RESUMABLE : '1';
    const parts = { random, kind, node: this.#node };
    const token = `${random}${kind}${this.#seal(parts)}${this.#sealFor(parts, user)}.${this.#node}`;
    return { token, connectionId: idOf(token, kind) };
  }

  /** Undefined for what no node has made, and for what this very node has made: that is in its table, or gone. */
  readOther(token: string): NamedToken | undefined {
    const parts = partsOf(token);
    if (parts === undefined || parts.node === this.#node || !isEqual(parts.seal, this.#seal(parts))) return undefined;
    return { node: parts.node, connectionId: idOf(token, parts.kind), isResumable: parts.kind === RESUMABLE };
  }

  /** Whether this real token was made for this very user. */
  isFor(token: string, user: string): boolean {
    const parts = partsOf(token);
    return parts !== undefined && isEqual(parts.userSeal, this.#sealFor(parts, user));
  }

  #seal({ random, kind, node }: SealedParts): string {
    return this.#mac(`connection token\n${random}${kind}.${node}`);
  }

  #sealFor({ random, kind, node }: SealedParts, user: string): string {
    return this.#mac(`connection token for\n${random}${kind}.${node}\n${user}`);
  }

  #mac(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url').slice(0, SEAL_CHARS);
  }
}

interface SealedParts {
  readonly random: string;
  readonly kind: string;
  readonly node: string;
}

interface TokenParts extends SealedParts {
  readonly seal: string;
  readonly userSeal: string;
}

function partsOf(token: string): TokenParts | undefined {
  const { random, kind, seal, userSeal, node }: Record<string, string | undefined> = TOKEN_FORM.exec(token)?.groups ?? {};
  if (random === undefined || kind === undefined || node === undefined) return undefined;
  return seal === undefined || userSeal === undefined ? undefined : { random, kind, node, seal, userSeal };
}

function idOf(token: string, kind: string): string {
  if (kind === '0') return token;
  return hash('sha256', `connection id\n${token}`, 'buffer').toString('base64url', 0, ID_BYTES);
}

/** In a time that says nothing of where they differ. Both are as long as a seal. */
function isEqual(seal: string, expected: string): boolean {
  return timingSafeEqual(Buffer.from(seal), Buffer.from(expected));
}
