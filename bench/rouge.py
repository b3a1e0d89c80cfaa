"""The peer of rouge.ts: see beside.ts for what it is asked and answers."""

import json
import sys
import time

from rouge_score import rouge_scorer

with open(sys.argv[1], encoding="utf-8") as file:
    texts = json.load(file)


def contest(kind, pairs, stemmer):
    scorer = rouge_scorer.RougeScorer([kind], use_stemmer=stemmer)
    return lambda: sum(scorer.score(reference, prediction)[kind].fmeasure for prediction, reference in pairs)


contests = {
    f"{kind}{' with stemmer' if stemmer else ''}, {name}": contest(kind, pairs, stemmer)
    for name, pairs in texts.items()
    for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum")
    for stemmer in (False, True)
}

for line in sys.stdin:
    work = contests[line.rstrip("\n")]
    start = time.perf_counter()
    times, seconds = 0, 0
    while seconds < 0.05:
        total = work()
        times, seconds = times + 1, time.perf_counter() - start
    print(seconds / times, total, flush=True)
