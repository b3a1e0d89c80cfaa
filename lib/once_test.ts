import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { once, onceEach } from "./once.ts";

Deno.test("once() opens one for all who ask, and again after a failure", async () => {
  const tries: PromiseWithResolvers<string>[] = [];
  const opened = once(() => {
    tries.push(Promise.withResolvers());
    return tries.at(-1)!.promise;
  });
  equal(tries.length, 0); // nothing before it is asked for
  const both = [opened(), opened()];
  tries[0]!.reject(new Error("offline"));
  for (const one of both) await rejects(one, /offline/);
  const again = [opened(), opened()];
  tries[1]!.resolve("open");
  deepEqual(await Promise.all([...again, opened()]), ["open", "open", "open"]);
  equal(tries.length, 2);
});

Deno.test("onceEach() opens one for each key", async () => {
  const tries: string[] = [];
  const opened = onceEach((key: string) => {
    tries.push(key);
    return tries.length === 1 ? Promise.reject(new Error("offline")) : Promise.resolve(key.length);
  });
  await rejects(opened("one"), /offline/);
  deepEqual(await Promise.all([opened("one"), opened("three"), opened("one")]), [3, 5, 3]);
  deepEqual(tries, ["one", "one", "three"]);
});
