import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { normal, random } from "../random.ts";
import { bothBlas, near } from "./golden.ts";
import { adam, network, orthogonal, tanh } from "./network.ts";

Deno.test("tanh() is Math.tanh within 4e-8, and within ±1 wherever it is asked", () => {
  for (let x = -20; x <= 20; x += 1 / 512) {
    ok(Math.abs(tanh(x) - Math.tanh(x)) < 4e-8, `at ${x}`);
    ok(Math.abs(Math.fround(tanh(x))) <= 1, `at ${x}`);
  }
  deepEqual([tanh(Infinity), tanh(-Infinity), tanh(NaN)].map(Math.round), [1, -1, NaN]);
});

Deno.test("backward() gives the slopes that differences of forward() show", async () => {
  for (const blas of await bothBlas()) {
    using _ = blas;
    for (const [sizes, rows] of [[[3, 5, 2], 4], [[4, 64, 64, 1], 7], [[101, 64, 64, 10], 2]] as const) {
      const chance = random("slopes"), net = network(sizes, { blas, rows });
      const draw = (size: number) => Float32Array.from({ length: size }, () => normal(chance) / 4);
      net.parameters.set(draw(net.parameters.length));
      const x = draw(rows * sizes[0]), pulls = draw(rows * sizes.at(-1)!);
      const loss = () => net.forward(x, rows).reduce((sum, y, i) => sum + y * pulls[i]!, 0);
      loss();
      net.backward(x, rows, pulls);
      for (let i = 0; i < net.parameters.length; i += Math.ceil(net.parameters.length / 60)) {
        const here = net.parameters[i]!, h = 1 / 64;
        net.parameters[i] = here + h;
        const above = loss();
        net.parameters[i] = here - h;
        const below = loss();
        net.parameters[i] = here;
        near([(above - below) / (2 * h)], [net.gradients[i]!], 5e-4, `${blas.name} ${sizes}, parameter ${i}`);
      }
    }
  }
});

Deno.test("orthogonal() gives rows or columns at right angles, of length gain", async () => {
  const [blas] = await bothBlas();
  using _ = blas;
  for (const [within, out] of [[4, 64], [64, 64], [64, 2], [100, 64], [64, 1]] as const) {
    const [layer] = network([within, out], { blas: blas!, rows: 1 }).layers;
    layer!.bias.fill(1);
    orthogonal(layer!, 1.5, random(3));
    const { weights, bias } = layer!;
    const vectors = out <= within
      ? Array.from({ length: out }, (_, i) => [...weights.subarray(i * within, (i + 1) * within)])
      : Array.from(
        { length: within },
        (_, j) => Array.from({ length: out }, (_, i) => weights[i * within + j]!),
      );
    for (const [i, u] of vectors.entries()) {
      for (const [j, v] of vectors.entries()) {
        near(
          [u.reduce((sum, x, k) => sum + x * v[k]!, 0)],
          [i === j ? 2.25 : 0],
          1e-5,
          `${within} to ${out}`,
        );
      }
    }
    deepEqual([...bias], Array(out).fill(0));
  }
});

Deno.test("adam() takes steps of the learning rate at first, and clips by the norm of all", () => {
  const parameters = Float32Array.of(1, 1), gradients = Float32Array.of(3, -4);
  adam({ parameters, gradients }, { epsilon: 0 }).step(0.1, Infinity);
  near(parameters, [0.9, 1.1], 1e-6, "one step");
  // With an epsilon far above the gradients a step is proportional to them: clipping shows.
  const plain = { parameters: new Float32Array(2), gradients };
  adam(plain, { epsilon: 1e6 }).step(1e6, Infinity);
  near(plain.parameters, [-3, 4], 1e-4, "not clipped");
  const clipped = { parameters: new Float32Array(2), gradients };
  adam(clipped, { epsilon: 1e6 }).step(1e6, 0.5);
  near(clipped.parameters, [-0.3, 0.4], 1e-4, "clipped to a norm of 0.5");
});
