/** A back end's connection: sends one message after the other from one buffer, in which only the id and the number change. */
import type { Dialect } from '../dialects/dialect.ts';
import { BODY_BYTES, makeBody, writeNumber } from './body.ts';
import { HttpConnection } from './http-connection.ts';

const ACCEPTED = 202;

export interface PosterOptions {
  /** Which of the servers it is connected to. */
  readonly server: number;
  readonly port: number;
  readonly dialect: Dialect;
  /** Any id of the peer; all are equally long. */
  readonly sampleId: string;
  readonly onAnswer: (poster: Poster, isAccepted: boolean) => void;
  readonly onGone: (error: Error) => void;
}

export class Poster {
  readonly #http: HttpConnection;
  readonly #request: Buffer;
  readonly #idAt: number;
  readonly #numberAt: number;
  readonly #onAnswer: (status: number) => void;
  readonly server: number;
  /** Of the message that it has sent last. */
  number = 0;

  constructor({ server, port, dialect, sampleId, onAnswer, onGone }: PosterOptions) {
    this.server = server;
    const { path, headers } = dialect.post(sampleId);
    const head = [`POST ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...headers, `Content-Length: ${BODY_BYTES}`, '\r\n'].join(
      '\r\n',
    );
    this.#http = new HttpConnection(port, onGone);
    this.#request = Buffer.concat([Buffer.from(head), makeBody()]);
    this.#idAt = head.indexOf(sampleId);
    this.#numberAt = head.length;
    this.#onAnswer = (status) => onAnswer(this, status === ACCEPTED);
  }

  /** Not before the last one was answered. */
  post(id: string, number: number): void {
    this.number = number;
    this.#request.write(id, this.#idAt, 'latin1');
    writeNumber(this.#request, this.#numberAt, number);
    this.#http.send(this.#request, this.#onAnswer);
  }

  close(): void {
    this.#http.close();
  }
}
