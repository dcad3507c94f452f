/** `npm test` on hosts with and without a Chromium: real scripts, fake programs, a PATH with nothing else on it. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Checkout, type Run } from './checkout.ts';

/** Up to ten processes one after the other, on a machine that may have much else to do. */
const LIMIT = { timeout: 120_000 };

/** The one test of that checkout: tells what a browser test of ours would find. */
const TEST = `
  import { test } from 'node:test';
  import { findChromium } from './scripts/chromium.mjs';
  test('it ran, with ' + (findChromium(process.env) ?? 'no Chromium'), () => {});
`;

/** Notes its arguments, waits as long as there is a file \`hold\`, and installs what a file \`offers\` holds. */
const APT_GET = `#!/bin/sh
folder=$(cd "$(/usr/bin/dirname "$0")/.." && pwd)
echo "apt-get talks"
echo "$DEBIAN_FRONTEND $*" >> "$folder/apt.log"
while [ -e "$folder/hold" ]; do /bin/sleep 0.05; done
case "$*" in *install*) ;; *) exit 0 ;; esac
[ -e "$folder/offers" ] || exit 100
/bin/cp "$folder/offers" "$folder/bin/chromium" && /bin/chmod +x "$folder/bin/chromium"
`;

/** A checkout with everything of npm installed, and a host that has what it is given. */
class Host implements AsyncDisposable {
  readonly checkout: Checkout;
  readonly #uid: number;

  private constructor(checkout: Checkout, uid: number) {
    this.checkout = checkout;
    this.#uid = uid;
  }

  static async create({ uid = 0, programs = {} }: { uid?: number; programs?: Readonly<Record<string, string>> } = {}) {
    const checkout = await Checkout.create('');
    const run = checkout.run(['ringback']);
    (await checkout.nextInstall()).answer('ok');
    await run.end;
    checkout.write('one.test.mjs', TEST);
    for (const [name, source] of Object.entries(programs)) {
      checkout.write(`bin/${name}`, source);
      chmodSync(join(checkout.root, 'bin', name), 0o755);
    }
    return new Host(checkout, uid);
  }

  run(environment: Readonly<Record<string, string>> = {}, task = ['test', 'one.test.mjs']): Run {
    const flag = `--import=data:text/javascript,process.getuid=()=>${this.#uid}`;
    return this.checkout.run(task, [flag], { ...this.checkout.bareEnvironment, ...environment });
  }

  /** The arguments of each call of apt-get. */
  get calls(): string[] {
    const path = join(this.checkout.root, 'apt.log');
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  }

  get chromium(): string {
    return join(this.checkout.root, 'bin', 'chromium');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.checkout[Symbol.asyncDispose]();
  }
}

test('a host with a Chromium gets nothing and is told nothing', LIMIT, async () => {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    await using host = await Host.create({ programs: { [name]: '#!/bin/sh', 'apt-get': APT_GET } });
    const { code, stdout, stderr } = await host.run().end;
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes(`it ran, with ${join(host.checkout.root, 'bin', name)}`), stdout);
    assert.equal(stderr, '');
    assert.deepEqual(host.calls, []);
  }
});

test('root of a host with apt-get gets one, once, said on stderr', LIMIT, async () => {
  await using host = await Host.create({ programs: { 'apt-get': APT_GET } });
  host.checkout.write('offers', '#!/bin/sh');
  const { code, stdout, stderr } = await host.run().end;
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes(`it ran, with ${host.chromium}`), stdout);
  assert.doesNotMatch(stdout, /apt-get/);
  assert.match(
    stderr,
    /^\[setup\] installing Chromium for the browser tests …\napt-get talks\napt-get talks\n\[setup\] installed in/,
  );
  assert.equal(host.calls.length, 2);
  assert.match(host.calls[0] ?? '', /^noninteractive .*update$/);
  assert.match(host.calls[1] ?? '', /^noninteractive .*install -y --no-install-recommends chromium$/);
  assert.equal((await host.run().end).stderr, '');
  assert.equal(host.calls.length, 2);
  assert.deepEqual(host.checkout.cached(), []);
});

test('who is not root, has no apt-get or cannot install is told so, how to get one, and tests go on', LIMIT, async () => {
  for (const [uid, programs, calls] of [
    [1000, { 'apt-get': APT_GET }, 0],
    [0, {}, 0],
    [0, { 'apt-get': APT_GET }, 2], // offers none
  ] as const) {
    await using host = await Host.create({ uid, programs });
    const { code, stdout, stderr } = await host.run().end;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /it ran, with no Chromium/);
    assert.match(stderr, /WARNING: there is no Chromium; the browser tests will be SKIPPED, so they show nothing/);
    assert.match(stderr, /apt-get install chromium\), or set CHROME_BIN/);
    assert.equal(host.calls.length, calls);
    if (calls > 0) assert.match(stderr, /apt-get install ended with 100/);
    assert.match((await host.run({ CI: 'true' }).end).stderr, /which CI does not allow: this run will FAIL/);
  }
});

test('CHROME_BIN names the program, and a wrong one is told and not replaced', LIMIT, async () => {
  await using host = await Host.create({ programs: { chromium: '#!/bin/sh', mine: '#!/bin/sh', 'apt-get': APT_GET } });
  const mine = join(host.checkout.root, 'bin', 'mine');
  assert.ok((await host.run({ CHROME_BIN: mine }).end).stdout.includes(`it ran, with ${mine}`));
  const { stdout, stderr } = await host.run({ CHROME_BIN: '/nowhere/chrome' }).end;
  assert.match(stdout, /it ran, with no Chromium/);
  assert.match(stderr, /CHROME_BIN names no program: \/nowhere\/chrome/);
  assert.deepEqual(host.calls, []);
});

test('only the tests ask for one', LIMIT, async () => {
  await using host = await Host.create({ programs: { 'apt-get': APT_GET } });
  for (const task of ['start', 'ringback']) assert.equal((await host.run({}, [task]).end).stderr, '');
  assert.deepEqual(host.calls, []);
});

test('of two at the same moment one installs and the other waits for it', LIMIT, async () => {
  await using host = await Host.create({ programs: { 'apt-get': APT_GET } });
  host.checkout.write('offers', '#!/bin/sh');
  host.checkout.write('hold', '');
  const first = host.run();
  await first.seen('stderr', 'apt-get talks');
  const second = host.run();
  await second.seen('stderr', 'another process is installing chromium; waiting');
  rmSync(join(host.checkout.root, 'hold'));
  for (const { end } of [first, second]) assert.ok((await end).stdout.includes(`it ran, with ${host.chromium}`));
  assert.equal(host.calls.length, 2);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} during the install ends apt-get too, runs no test, and the next run installs`, LIMIT, async () => {
    await using host = await Host.create({ programs: { 'apt-get': APT_GET } });
    host.checkout.write('offers', '#!/bin/sh');
    host.checkout.write('hold', '');
    const run = host.run();
    await run.seen('stderr', 'apt-get talks');
    run.child.kill(signal);
    const end = await run.end; // only when apt-get let go of its output
    assert.equal(end.signal, signal);
    assert.equal(end.stdout, '');
    assert.deepEqual(host.checkout.cached(), []);
    rmSync(join(host.checkout.root, 'hold'));
    assert.ok((await host.run().end).stdout.includes(`it ran, with ${host.chromium}`));
  });
}
