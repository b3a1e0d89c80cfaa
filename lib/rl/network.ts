/**
 * Networks of dense layers with tanh or ReLU between them, x ↦ W₃ tanh(W₂ tanh(W₁ x + b₁) + b₂) + b₃: forward, backward, and
 * Adam.
 *
 * Nothing is allocated after a network is made: what it gives are its own arrays, valid until it is asked again. All its
 * parameters lie in one array, so that norms and steps are single passes.
 *
 * ```ts
 * import { network } from "./network.ts";
 * import { plainBlas } from "../native/mod.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * const line = network([2, 1], { blas: plainBlas(), rows: 1 });
 * line.layers[0]!.weights.set([2, 3]);
 * line.layers[0]!.bias.set([1]);
 * deepEqual([...line.forward(Float32Array.of(1, 1), 1)], [6]);
 * line.backward(Float32Array.of(1, 1), 1, Float32Array.of(1));
 * deepEqual([...line.gradients], [1, 1, 1]); // of both weights, and of the bias
 * ```
 *
 * @module
 */
import type { Blas } from "../native/mod.ts";
import { normal, type Random } from "../random.ts";

type Floats = Float32Array<ArrayBuffer>;

/** One layer's part of the parameters. */
export interface DenseLayer {
  /** out x in. */
  readonly weights: Floats;
  /** out. */
  readonly bias: Floats;
}

/** A network. */
export interface Network {
  /** Numbers of what it sees, of each hidden layer, of what it gives. */
  readonly sizes: readonly number[];
  readonly activation: Activation;
  /** Of each layer the weights, then the bias. */
  readonly parameters: Floats;
  /** Of the parameters, by the last `backward`. */
  readonly gradients: Floats;
  /** Views into the parameters. */
  readonly layers: readonly DenseLayer[];
  /** What it gives for the first `rows` rows of `x`: rows x out. */
  forward(x: Floats, rows: number): Floats;
  /** The gradients, given those of what `forward` gave for the same `x` just before: rows x out. */
  backward(x: Floats, rows: number, dOutput: Floats): void;
  /** The network as it is now, for a row at a time; it does not change with this one. */
  copy(): Network;
}

/** What comes between layers. */
export type Activation = "tanh" | "relu";

/** What a network is made of. */
export interface NetworkOptions {
  readonly blas: Blas;
  /** @default {"tanh"} */
  readonly activation?: Activation;
  /** How many rows it takes at once. */
  readonly rows: number;
  /** Where its parameters and gradients shall lie, such as a part of a larger array. @default {arrays of its own} */
  readonly room?: { readonly parameters: Floats; readonly gradients: Floats };
}

/** How many parameters a network has. */
export const parameterCount = (sizes: readonly number[]): number =>
  sizes.slice(1).reduce((sum, size, l) => sum + size * (sizes[l]! + 1), 0);

/** A network with all parameters as they are in its room, 0 without one. */
export function network(
  sizes: readonly number[],
  { blas, activation = "tanh", rows, room }: NetworkOptions,
): Network {
  const { ofSum, timesSlope } = activation === "tanh" ? TANH : RELU;
  const count = parameterCount(sizes);
  const { parameters, gradients } = room ??
    { parameters: new Float32Array(count), gradients: new Float32Array(count) };
  const layers = split(parameters, sizes), slopes = split(gradients, sizes);
  const outputs = sizes.slice(1).map((size) => new Float32Array(rows * size));
  const deltas = sizes.slice(1).map((size) => new Float32Array(rows * size));
  const ones = new Float32Array(rows).fill(1);
  const last = layers.length - 1;
  return {
    sizes,
    activation,
    parameters,
    gradients,
    layers,
    forward(x, rows) {
      for (let l = 0; l <= last; l++) {
        const { weights, bias } = layers[l]!, n = sizes[l + 1]!, output = outputs[l]!;
        blas.multiply(false, true, rows, n, sizes[l]!, l === 0 ? x : outputs[l - 1]!, weights, 0, output);
        if (l < last) ofSum(output, bias, rows);
        else addBias(output, bias, rows);
      }
      return outputs[last]!;
    },
    backward(x, rows, dOutput) {
      for (let l = last, delta = dOutput; l >= 0; l--) {
        const { weights, bias } = slopes[l]!, n = sizes[l + 1]!, k = sizes[l]!;
        const input = l === 0 ? x : outputs[l - 1]!;
        blas.multiply(true, false, n, k, rows, delta, input, 0, weights);
        blas.multiply(false, false, 1, n, rows, ones, delta, 0, bias);
        if (l === 0) break;
        const before = deltas[l - 1]!;
        blas.multiply(false, false, rows, k, n, delta, layers[l]!.weights, 0, before);
        timesSlope(before, input, rows * k);
        delta = before;
      }
    },
    copy: () =>
      network(sizes, {
        ...{ blas, activation, rows: 1 },
        room: { parameters: parameters.slice(), gradients: new Float32Array(count) },
      }),
  };
}

function split(all: Floats, sizes: readonly number[]): DenseLayer[] {
  let at = 0;
  const take = (size: number) => all.subarray(at, at += size);
  return sizes.slice(1).map((size, l) => ({ weights: take(size * sizes[l]!), bias: take(size) }));
}

function addBias(y: Floats, bias: Floats, rows: number): void {
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = 0; j < bias.length; j++, at++) y[at]! += bias[j]!;
  }
}

const TANH = {
  /** y ← tanh(y + b). */
  ofSum(y: Floats, bias: Floats, rows: number): void {
    for (let i = 0, at = 0; i < rows; i++) {
      for (let j = 0; j < bias.length; j++, at++) y[at] = tanh(y[at]! + bias[j]!);
    }
  },
  /** δ ← δ ⊙ (1 - h²), the slope of tanh where it gave h. */
  timesSlope(delta: Floats, h: Floats, size: number): void {
    for (let i = 0; i < size; i++) {
      const t = h[i]!;
      delta[i]! *= 1 - t * t;
    }
  },
};

const RELU = {
  /** y ← max(0, y + b). */
  ofSum(y: Floats, bias: Floats, rows: number): void {
    for (let i = 0, at = 0; i < rows; i++) {
      for (let j = 0; j < bias.length; j++, at++) y[at] = Math.max(0, y[at]! + bias[j]!);
    }
  },
  /** δ ← δ where h > 0, else 0. */
  timesSlope(delta: Floats, h: Floats, size: number): void {
    for (let i = 0; i < size; i++) if (h[i] === 0) delta[i] = 0;
  },
};

/**
 * tanh within 4e-8, less than a float32 tells apart near 1: x P(x²) / Q(x²), fitted to tanh on [0, 8.8] (least squares, weighted
 * anew until the largest error no longer fell), ±tanh(8.8) beyond. A third of the time of Math.tanh, which would take half of an update.
 */
export function tanh(x: number): number {
  if (x > 8.8) x = 8.8;
  else if (x < -8.8) x = -8.8;
  const z = x * x;
  return x * (0.9999999241246567 +
    z * (0.13386515564652848 +
        z * (0.0035023729895764136 + z * (2.073125761829794e-5 + z * 1.3544378239920203e-8)))) /
    (1 + z * (0.4671981895993 +
          z * (0.02590211481785983 + z * (0.00032971830969487175 + z * 7.849836397010746e-7))));
}

/**
 * Weights of which the rows, or the columns where they are fewer, are orthogonal and of length `gain` (Saxe et al., 2014);
 * the bias 0.
 */
export function orthogonal({ weights, bias }: DenseLayer, gain: number, random: Random): void {
  const out = bias.length, within = weights.length / out;
  const count = Math.min(out, within), length = Math.max(out, within);
  const vectors: Float64Array[] = [];
  while (vectors.length < count) {
    const v = Float64Array.from({ length }, () => normal(random));
    for (let pass = 0; pass < 2; pass++) { // Gram and Schmidt, a second time for what rounding left
      for (const u of vectors) {
        const along = dot(u, v);
        for (let i = 0; i < length; i++) v[i]! -= along * u[i]!;
      }
    }
    const norm = Math.sqrt(dot(v, v));
    if (norm > 1e-6) vectors.push(v.map((value) => value / norm));
  }
  for (let i = 0; i < out; i++) {
    for (let j = 0; j < within; j++) {
      weights[i * within + j] = gain * (out <= within ? vectors[i]![j]! : vectors[j]![i]!);
    }
  }
  bias.fill(0);
}

/** Weights and bias uniform in ± 1 / √in, as PyTorch's layers begin. */
export function uniform({ weights, bias }: DenseLayer, random: Random): void {
  const most = 1 / Math.sqrt(weights.length / bias.length);
  for (const part of [weights, bias]) {
    for (let i = 0; i < part.length; i++) part[i] = (2 * random() - 1) * most;
  }
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

/** Adam (Kingma and Ba, 2015, algorithm 1) on some parameters. */
export interface Adam {
  /** A step against the gradients, of which the norm is first brought down to `maxGradNorm`. */
  step(learningRate: number, maxGradNorm: number): void;
}

/** Adam with β₁ 0.9 and β₂ 0.999. */
export function adam(
  { parameters, gradients }: { readonly parameters: Floats; readonly gradients: Floats },
  { epsilon }: { readonly epsilon: number },
): Adam {
  const beta1 = 0.9, beta2 = 0.999;
  const m = new Float32Array(parameters.length), v = new Float32Array(parameters.length);
  let power1 = 1, power2 = 1; // β₁ᵗ, β₂ᵗ
  return {
    step(learningRate, maxGradNorm) {
      power1 *= beta1;
      power2 *= beta2;
      const scale = Math.min(1, maxGradNorm / (norm(gradients) + 1e-6));
      const alpha = learningRate / (1 - power1), correction = 1 / Math.sqrt(1 - power2);
      const first = (1 - beta1) * scale, second = (1 - beta2) * scale * scale;
      for (let i = 0; i < parameters.length; i++) {
        const g = gradients[i]!;
        const mean = m[i]! * beta1 + first * g, square = v[i]! * beta2 + second * g * g;
        m[i] = mean;
        v[i] = square;
        parameters[i]! -= alpha * mean / (Math.sqrt(square) * correction + epsilon);
      }
    },
  };
}

/** Four sums, which do not wait for each other. */
function norm(x: Floats): number {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, i = 0;
  for (; i + 3 < x.length; i += 4) {
    s0 += x[i]! * x[i]!;
    s1 += x[i + 1]! * x[i + 1]!;
    s2 += x[i + 2]! * x[i + 2]!;
    s3 += x[i + 3]! * x[i + 3]!;
  }
  for (; i < x.length; i++) s0 += x[i]! * x[i]!;
  return Math.sqrt(s0 + s1 + s2 + s3);
}
