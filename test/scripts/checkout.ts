/** A small checkout in a temporary folder: our real scripts, a program to run, and an npm that installs nothing until told. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const SCRIPTS = fileURLToPath(new URL('../../scripts', import.meta.url));

/** Tells its argument line to the test, then does as the test says: `ok` installs, a number is the exit code. */
const FAKE_NPM = `
const { mkdirSync, symlinkSync } = require('node:fs');
const { join } = require('node:path');
const gate = require('node:net').connect(Number(process.env.NPM_GATE), '127.0.0.1');
console.log('npm talks');
gate.write(process.argv.slice(2).join(' ') + '\\n');
gate.once('data', (answer) => {
  if (String(answer) !== 'ok') process.exit(Number(answer));
  const wanted = /^(node-[^@]+)@/.exec(process.argv[3] ?? '');
  const bin = join('node_modules', wanted?.[1] ?? '', 'bin');
  mkdirSync(bin, { recursive: true });
  if (wanted) symlinkSync(process.execPath, join(bin, 'node'));
  process.exit(0);
});
`;

/** One call of the fake npm that waits for its answer. */
export interface Install {
  readonly command: string;
  answer(text: 'ok' | number): void;
  /** Resolves when that npm is gone. */
  readonly gone: Promise<unknown>;
}

export interface Run {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Resolves when the output so far holds the text. */
  seen(stream: 'stdout' | 'stderr', text: string): Promise<void>;
  /** Resolves when it and whatever else holds its output ended. */
  readonly end: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
}

export class Checkout implements AsyncDisposable {
  /** Has a space, as folders of people do. */
  readonly root = mkdtempSync(join(tmpdir(), 'ringback checkout '));
  readonly #gate: Server;
  readonly #sockets: Socket[] = [];
  readonly #children: Run[] = [];

  private constructor(gate: Server) {
    this.#gate = gate;
    gate.on('connection', (socket) => this.#sockets.push(socket.on('error', () => {})));
    cpSync(SCRIPTS, join(this.root, 'scripts'), { recursive: true });
    mkdirSync(join(this.root, 'bin'));
    writeFileSync(join(this.root, 'bin', 'npm'), FAKE_NPM);
    this.write('package-lock.json', '{}');
    this.write('package.json', '{ "type": "module" }');
  }

  /** @param program source of the program that the task `ringback` runs */
  static async create(program: string): Promise<Checkout> {
    const gate = createServer().listen(0, '127.0.0.1');
    await once(gate, 'listening');
    const checkout = new Checkout(gate);
    mkdirSync(join(checkout.root, 'src', 'cli'), { recursive: true });
    checkout.write('src/cli/main.ts', program);
    checkout.write('bin/package.json', '{ "type": "commonjs" }');
    return checkout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#children) child.kill('SIGKILL');
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#children.map(({ end }) => end));
    this.#gate.close();
    rmSync(this.root, { recursive: true });
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.root, path), text);
  }

  /** What is in .cache/, besides what Node caches itself. */
  cached(): string[] {
    return readdirSync(join(this.root, '.cache')).filter((name) => name !== 'compiled');
  }

  /** How often npm was called. */
  get installs(): number {
    return this.#sockets.length;
  }

  /** The next call of npm. */
  async nextInstall(): Promise<Install> {
    const [socket]: Socket[] = await once(this.#gate, 'connection');
    if (socket === undefined) throw new Error('a connection comes with its socket');
    const gone = once(socket, 'close');
    const [line]: Buffer[] = await once(socket, 'data');
    return { command: String(line).trim(), answer: (text) => void socket.write(String(text)), gone };
  }

  /** PATH with nothing on it but our fakes: no program of the host, whatever it has. */
  get bareEnvironment(): Readonly<Record<string, string>> {
    return { PATH: join(this.root, 'bin'), CHROME_BIN: '', CI: '' };
  }

  /** Runs `node scripts/run.mjs …args`. */
  run(args: readonly string[], nodeFlags: readonly string[] = [], environment: Readonly<Record<string, string>> = {}): Run {
    const { npm_execpath: _ours, NODE_TEST_CONTEXT: _nested, PATH = '', ...env } = process.env;
    const address = this.#gate.address();
    if (address === null || typeof address === 'string') throw new Error('the gate listens on a port');
    const path = [join(this.root, 'bin'), dirname(process.execPath), PATH].join(delimiter);
    const child = spawn(process.execPath, [...nodeFlags, join(this.root, 'scripts', 'run.mjs'), ...args], {
      cwd: this.root,
      // Whatever the host has: nobody asks npm for a PostgreSQL.
      env: { ...env, PATH: path, NPM_GATE: String(address.port), TEST_POSTGRES_URL: 'postgres://given', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const run = watch(child);
    this.#children.push(run);
    return run;
  }
}

function watch(child: ChildProcessByStdio<null, Readable, Readable>): Run {
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => void (output[stream] += text));
  }
  return {
    child,
    async seen(stream, text) {
      while (!output[stream].includes(text)) {
        await Promise.race([once(child[stream], 'data'), failAt(child, () => `"${text}" never came: ${JSON.stringify(output)}`)]);
      }
    },
    end: once(child, 'close').then(() => ({ code: child.exitCode, signal: child.signalCode, ...output })),
  };
}

async function failAt(child: ChildProcessByStdio<null, Readable, Readable>, reason: () => string): Promise<never> {
  await once(child, 'close');
  throw new Error(reason());
}
