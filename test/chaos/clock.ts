/** Preloaded (`--import`) into one instance under test: its clock is wrong by `CHAOS_CLOCK_MS`, and that of no other process is. */
const aheadMs = Number(process.env['CHAOS_CLOCK_MS'] ?? 0);
const right = Date.now;
const wrong = (): number => right() + aheadMs;

globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [wrong()] : args, newTarget),
  apply: () => new Date(wrong()).toString(),
  get: (target, name, receiver) => (name === 'now' ? wrong : Reflect.get(target, name, receiver)),
});
