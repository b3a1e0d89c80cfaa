"""The peer of lightgbm.ts: see beside.ts for what it is asked and answers.

`lightgbm_peer.py FILE` does the work of the contests in the file; `lightgbm_peer.py read FILE` loads the model that our side saved there,
and prints by how much its predictions differ from ours at most. Seconds are those of the processor: see there.
"""

import json
import sys
import time

import lightgbm as lgb
import numpy as np

with open(sys.argv[-1], encoding="utf-8") as file:
    given = json.load(file)

if sys.argv[1] == "read":
    booster = lgb.Booster(model_str=given["text"])
    print(float(np.max(np.abs(booster.predict(np.array(given["rows"])) - np.array(given["predictions"])))))
    sys.exit()

tables = {
    name: (np.array(table["rows"], dtype=np.float64), np.array(table["labels"]))
    for name, table in given["tables"].items()
}


def train(params, table, validation=None):
    valid_sets = [lgb.Dataset(*tables[validation])] if validation else None
    return lgb.train(params, lgb.Dataset(*tables[table]), valid_sets=valid_sets)


def trained(contest):
    booster = train(contest["params"], contest["table"], contest.get("validation"))
    return booster.predict(tables[contest["table"]][0]).sum()


def validated(contest):
    rows, labels = tables[contest["table"]]
    folds = [(np.setdiff1d(np.arange(len(rows)), held), np.array(held)) for held in contest["folds"]]
    dataset = lgb.Dataset(rows, labels)
    result = lgb.cv(contest["params"], dataset, folds=folds, return_cvbooster=True)
    boosters = result["cvbooster"].boosters
    return sum(booster.predict(rows[held]).sum() for booster, (_, held) in zip(boosters, folds))


def predicted(contest):
    return contest["booster"].predict(tables[contest["table"]][0]).sum()


works = {"train": trained, "crossValidate": validated, "predict": predicted}
for contest in given["contests"].values():
    if contest["work"] == "predict":
        contest["booster"] = train(contest["params"], contest["model"])

for line in sys.stdin:
    contest = given["contests"][line.rstrip("\n")]
    start = time.process_time()
    times, seconds = 0, 0
    while seconds < 0.05:
        total = works[contest["work"]](contest)
        times, seconds = times + 1, time.process_time() - start
    print(seconds / times, total, flush=True)
