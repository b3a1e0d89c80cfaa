"""Golden numbers for lib/rl, by Gymnasium and Stable-Baselines3 (requirements/bench-torch.txt).

Weights, observations and orders are made by a recipe that both languages follow to the last bit: Park and Miller's
generator, and nothing but sums and products of what float32 can hold.
"""

import importlib.metadata
import math
import os
import sys

import texts

os.environ["CUDA_VISIBLE_DEVICES"] = ""
sys.path.pop(0)  # the statistics.py beside this file is not Python's, which torch wants

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer


class Draws:
    """Numbers in [0, 1)."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        self.state = self.state * 48271 % 2147483647
        return self.state / 2147483647

    def floats(self, *shape, spread=1.0):
        """Uniform in ± spread, as float32."""
        return np.array([(2 * self() - 1) * spread for _ in range(math.prod(shape))], dtype=np.float32).reshape(shape)

    def permutation(self, n):
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = math.floor(self() * (i + 1))
            order[i], order[j] = order[j], order[i]
        return order


def cart_pole(seed, policy, most=600):
    """The states of an episode, from its first to its last: Gymnasium's observations, and its state in 53 bits where it began."""
    env = gymnasium.make("CartPole-v1")
    env.reset(seed=seed)
    start = env.unwrapped.state.tolist()
    draws, steps = Draws(seed + 1), []
    observation = np.array(start, dtype=np.float32)
    for _ in range(most):
        action = policy(observation, draws)
        observation, reward, terminated, truncated, _ = env.step(action)
        steps.append([action, observation.tolist(), float(reward), terminated, truncated])
        if terminated or truncated:
            break
    return [start, steps]


def chance(_, draws):
    return int(draws() > 0.5)


def balance(observation, _):
    """Keeps the pole up, and so meets the limit."""
    x, speed, theta, spin = (float(value) for value in observation)
    return int(0.05 * x + 0.15 * speed + theta + 0.4 * spin > 0)


def drift(observation, _):
    """Keeps the pole up while the cart goes its way, and so it leaves the track."""
    return int(float(observation[2]) - 0.1 + 0.4 * float(observation[3]) > 0)


CART_POLES = [(1, chance), (2, chance), (3, chance), (4, balance), (5, drift), (6, lambda *_: 0), (7, lambda *_: 1)]


class Still(gymnasium.Env):
    """Only its spaces are looked at."""

    def __init__(self, size, actions):
        self.observation_space = spaces.Box(-10, 10, (size,), dtype=np.float32)
        self.action_space = spaces.Discrete(actions)

    def reset(self, *, seed=None, options=None):
        return np.zeros(self.observation_space.shape, dtype=np.float32), {}


LAYERS = [
    "mlp_extractor.policy_net.0",
    "mlp_extractor.policy_net.2",
    "action_net",
    "mlp_extractor.value_net.0",
    "mlp_extractor.value_net.2",
    "value_net",
]


def ppo_update(seed, size, actions, steps, environments, settings):
    """One rollout in, new parameters out: SB3's own buffer, advantages, loss, clipping and Adam."""
    draws = Draws(seed)
    model = PPO(
        "MlpPolicy", Still(size, actions), device="cpu", n_steps=steps, learning_rate=settings["learningRate"],
        batch_size=settings["batchSize"], n_epochs=settings["epochs"], clip_range=settings["clipRange"],
        ent_coef=settings["entropyCoef"], vf_coef=settings["valueCoef"], max_grad_norm=settings["maxGradNorm"],
        gamma=settings["gamma"], gae_lambda=settings["gaeLambda"],
        normalize_advantage=settings["normalizeAdvantage"],
    )
    named = dict(model.policy.named_parameters())
    with torch.no_grad():
        for layer in LAYERS:
            for part in ("weight", "bias"):
                parameter = named[f"{layer}.{part}"]
                parameter.copy_(torch.from_numpy(draws.floats(*parameter.shape, spread=0.4)))

    buffer = RolloutBuffer(
        steps, model.observation_space, model.action_space, "cpu", settings["gaeLambda"], settings["gamma"], environments
    )
    model.rollout_buffer = buffer
    started = np.ones(environments)
    for _ in range(steps):
        observations = draws.floats(environments, size)
        chosen = np.array([math.floor(draws() * actions) for _ in range(environments)])
        rewards = draws.floats(environments)
        seen = torch.from_numpy(observations)
        with torch.no_grad():
            values, log_probs, _ = model.policy.evaluate_actions(seen, torch.from_numpy(chosen))
        # as if the policy had been another one when it acted, so that ratios leave the range
        log_probs = log_probs + torch.from_numpy(draws.floats(environments, spread=0.5))
        buffer.add(observations, chosen.reshape(-1, 1), rewards, started, values, log_probs)
        started = np.array([float(draws() < 0.1) for _ in range(environments)])
    with torch.no_grad():
        last = model.policy.predict_values(torch.from_numpy(draws.floats(environments, size)))
    buffer.compute_returns_and_advantage(last, started)
    old = {
        "logProbs": buffer.log_probs, "values": buffer.values, "advantages": buffer.advantages, "returns": buffer.returns
    }
    old = {name: np.asarray(rows, dtype=np.float32).reshape(-1).tolist() for name, rows in old.items()}
    next_values = last.reshape(-1).tolist()

    # SB3 has a step of all environments as a column: our entry t N + i is its i T + t
    order = lambda n: np.array([(at % environments) * steps + at // environments for at in draws.permutation(n)])
    real, np.random.permutation = np.random.permutation, order
    model._logger = Log()
    try:
        model.train()
    finally:
        np.random.permutation = real
    after = np.concatenate([
        named[f"{layer}.{part}"].detach().numpy().reshape(-1) for layer in LAYERS for part in ("weight", "bias")
    ])
    losses = {
        name.removeprefix("train/"): float(value)
        for name, value in model.logger.seen.items()
        if name.removeprefix("train/") in (
            "policy_gradient_loss", "value_loss", "entropy_loss", "approx_kl", "clip_fraction"
        )
    }
    # a tenth of the parameters, and their norm, say whether all are right
    return [
        seed, size, actions, steps, environments, settings, old, next_values, losses,
        float(np.linalg.norm(after.astype(np.float64))), after[::10].tolist(),
    ]


class Log:
    """What `train` records."""

    def __init__(self):
        self.seen = {}

    def record(self, name, value, exclude=None):
        self.seen[name] = value


DEFAULTS = {
    "batchSize": 64,
    "epochs": 10,
    "gamma": 0.99,
    "gaeLambda": 0.95,
    "clipRange": 0.2,
    "valueCoef": 0.5,
    "entropyCoef": 0.0,
    "maxGradNorm": 0.5,
    "learningRate": 3e-4,
    "normalizeAdvantage": True,
}
UPDATES = [
    (11, 4, 2, 128, 1, DEFAULTS),
    (12, 3, 5, 40, 3, {**DEFAULTS, "batchSize": 32, "epochs": 4, "entropyCoef": 0.05, "learningRate": 1e-3}),
    (13, 101, 10, 64, 2, {**DEFAULTS, "epochs": 2, "gamma": 0.9, "gaeLambda": 0.8, "clipRange": 0.1}),
    (14, 6, 3, 50, 2, {**DEFAULTS, "epochs": 3, "normalizeAdvantage": False, "maxGradNorm": 1e9, "valueCoef": 1.0}),
]

torch.set_num_threads(1)
texts.write(
    "rl",
    "stable_baselines3",
    importlib.metadata.version("stable-baselines3"),
    {
        "cart_poles": [cart_pole(*case) for case in CART_POLES],
        "updates": [ppo_update(*case) for case in UPDATES],
    },
    gymnasium=gymnasium.__version__,
    torch=torch.__version__,
    numpy=np.__version__,
)
