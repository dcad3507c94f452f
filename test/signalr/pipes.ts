import assert from 'node:assert/strict';
import type { Application, Connection } from '../../src/signalr/index.ts';

/** A handler whose connections the test drives by hand. */
export class Pipes {
  readonly opened: Connection<undefined>[] = [];
  readonly received: string[] = [];
  readonly ends: (Error | undefined)[] = [];
  writableCount = 0;
  onReceive: (connection: Connection<undefined>) => void = () => undefined;

  open(connection: Connection<undefined>): Application {
    this.opened.push(connection);
    return {
      receive: (chunk) => {
        this.received.push(chunk.toString());
        this.onReceive(connection);
      },
      writable: () => void this.writableCount++,
      heartbeat: () => undefined,
      shutdown: () => connection.close(),
      ended: (error) => void this.ends.push(error),
    };
  }

  get only(): Connection<undefined> {
    const [connection, ...others] = this.opened;
    assert.ok(connection !== undefined && others.length === 0, 'one connection is open');
    return connection;
  }
}
