"""The peer of ppo.ts: see beside.ts for what it is asked and answers.

A whole training by Stable-Baselines3's PPO, on Gymnasium's CartPole-v1, on one thread. Seconds are those of the processor.
"""

import json
import os
import sys
import time
import warnings

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

torch.set_num_threads(1)
warnings.filterwarnings("ignore")

with open(sys.argv[-1], encoding="utf-8") as file:
    contests = json.load(file)


def work(environments, steps, timesteps):
    model = PPO(
        "MlpPolicy", make_vec_env("CartPole-v1", n_envs=environments, seed=1), n_steps=steps, device="cpu", seed=1
    )
    model.learn(timesteps)
    return model.num_timesteps


for line in sys.stdin:
    start = time.process_time()
    done = work(**contests[line.strip()])
    print(time.process_time() - start, done, flush=True)
