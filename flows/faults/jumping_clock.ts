/**
 * Loaded before a flow (`deno run --preload`): its `Date` jumps an hour forth or back every 50 ms, as a machine's clock does that
 * is set by hand. The clock that counts time passed goes on as ever, as it does there.
 *
 * @module
 */
const HOUR = 3_600_000;
const Real = Date;
const first = Number(Deno.env.get("JUMPING_CLOCK") ?? "1") * HOUR;
const now = () => Real.now() + (Math.floor(performance.now() / 50) % 2 === 0 ? first : -first);

globalThis.Date = new Proxy(Real, {
  apply: (real) => new real(now()).toString(),
  construct: (real, args, target) => Reflect.construct(real, args.length === 0 ? [now()] : args, target),
  get: (real, name, receiver) => name === "now" ? now : Reflect.get(real, name, receiver),
});
