/**
 * Every fault that a caller can meet, by a stable code. The HTTP API answers it as problem details (RFC 9457), the hub as
 * the error text of a Completion; `docs/errors.md` lists the same codes and is checked against this file.
 */

interface ErrorKind {
  readonly status: number;
  /** One short sentence for people; never the offending value. */
  readonly title: string;
  /** Whether repeating the same request can succeed. */
  readonly retryable?: true;
}

export const errorKinds = {
  malformed_request: { status: 400, title: 'The request is malformed.' },
  invalid_json: { status: 400, title: 'The body is not valid JSON.' },
  unauthorized: { status: 401, title: 'A valid credential is required.' },
  bad_signature: { status: 401, title: 'The signature is missing, wrong or too old.' },
  wrong_credential: { status: 403, title: 'This credential does not grant this operation.' },
  origin_not_allowed: { status: 403, title: 'Requests from this origin are not allowed.' },
  not_found: { status: 404, title: 'There is nothing at this address.' },
  transaction_not_found: { status: 404, title: 'There is no such transaction.' },
  message_not_found: { status: 404, title: 'There is no such message in this transaction.' },
  token_not_found: { status: 404, title: 'There is no such access token in this transaction.' },
  callback_not_found: { status: 404, title: 'There is no such callback URL.' },
  method_not_allowed: { status: 405, title: 'This method is not allowed here.' },
  request_timeout: { status: 408, title: 'The request took too long to arrive.', retryable: true },
  reference_taken: { status: 409, title: 'Another live transaction has this reference.' },
  idempotency_conflict: { status: 409, title: 'This idempotency key was used with another body.' },
  mailbox_full: { status: 409, title: 'The mailbox of this transaction is full.' },
  transaction_settled: { status: 410, title: 'The transaction is settled and takes no more messages.' },
  transaction_expired: { status: 410, title: 'The transaction has expired and takes no more messages.' },
  body_too_large: { status: 413, title: 'The body is too large.' },
  data_too_large: { status: 413, title: 'The data of the message is too large.' },
  reply_too_large: { status: 413, title: 'The reply is too large.' },
  metadata_too_large: { status: 413, title: 'The metadata is too large.' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json.' },
  invalid_request: { status: 422, title: 'The request does not fit its schema.' },
  json_too_deep: { status: 422, title: 'The JSON of the body is nested too deeply.' },
  sequence_out_of_range: { status: 422, title: 'There is no message with this sequence.' },
  headers_too_large: { status: 431, title: 'The head of the request is too large.' },
  rate_limited: { status: 429, title: 'Too many requests.', retryable: true },
  internal_error: { status: 500, title: 'An unexpected error occurred.' },
  store_unavailable: { status: 503, title: 'The store cannot answer now; nothing was acknowledged.', retryable: true },
  too_many_transactions: { status: 503, title: 'Too many transactions are open.', retryable: true },
  too_many_parked: { status: 503, title: 'Too many webhooks wait for their transactions.', retryable: true },
  draining: { status: 503, title: 'The server is shutting down.', retryable: true },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

/** One thing wrong with one field of a request. */
export interface FieldFault {
  /** Where: `/ttlSeconds` in the body (RFC 6901), `?limit` in the query, or a header's name. */
  readonly field: string;
  /** What was wrong and what was expected. */
  readonly message: string;
}

export interface RingbackErrorOptions extends ErrorOptions {
  /** What was wrong this time; never a secret. Default: the code's own title. */
  readonly detail?: string;
  readonly faults?: readonly FieldFault[];
  /** When to try again, for `Retry-After`. */
  readonly retryAfterSeconds?: number;
}

export class RingbackError extends Error {
  override readonly name = 'RingbackError';
  readonly code: ErrorCode;
  readonly faults: readonly FieldFault[] | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, options: RingbackErrorOptions = {}) {
    super(options.detail ?? errorKinds[code].title, options);
    this.code = code;
    this.faults = options.faults;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return errorKinds[this.code].status;
  }

  get title(): string {
    return errorKinds[this.code].title;
  }

  /** Seconds for `Retry-After`, on the statuses that are to have it. */
  get retryAfter(): number | undefined {
    return this.status === 503 || this.status === 429 ? (this.retryAfterSeconds ?? 1) : undefined;
  }

  get retryable(): boolean {
    return 'retryable' in errorKinds[this.code];
  }
}
