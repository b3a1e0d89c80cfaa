"""The peer of bleu.ts: see beside.ts for what it is asked and answers.

Every pass over the texts has a BLEU object of its own, so that sacrebleu, whose objects remember the lines that they
tokenized, meets every text once, as new answers are met.
"""

import json
import logging
import sys
import time

from sacrebleu.metrics import BLEU

logging.disable(logging.CRITICAL)

with open(sys.argv[1], encoding="utf-8") as file:
    texts = json.load(file)


def sentences(pairs):
    bleu = BLEU(effective_order=True)
    return sum(bleu.sentence_score(prediction, [reference]).score for prediction, reference in pairs) / 100


def corpus(pairs):
    predictions, references = zip(*pairs)
    return BLEU().corpus_score(predictions, [references]).score / 100


contests = {}
for kind, pairs in texts.items():
    contests[f"bleu, {kind}"] = (sentences, pairs)
    contests[f"bleu, a corpus of {kind}"] = (corpus, pairs)

for line in sys.stdin:
    work, pairs = contests[line.rstrip("\n")]
    start = time.perf_counter()
    times, seconds = 0, 0
    while seconds < 0.05:
        total = work(pairs)
        times, seconds = times + 1, time.perf_counter() - start
    print(seconds / times, total, flush=True)
