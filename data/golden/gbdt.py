"""Golden numbers for lib/gbdt, by Python's lightgbm (requirements/bench.txt).

Rows and labels are made by a recipe that both languages follow to the last bit: Park and Miller's generator, and nothing
but sums and products.
"""

import math

import lightgbm as lgb
import numpy as np
import scipy
from scipy import stats

import texts

NAMES = {
    "boosting": "boosting",
    "learningRate": "learning_rate",
    "numLeaves": "num_leaves",
    "minDataInLeaf": "min_data_in_leaf",
    "featureFraction": "feature_fraction",
    "baggingFraction": "bagging_fraction",
    "baggingFreq": "bagging_freq",
    "rounds": "num_iterations",
    "earlyStopping": "early_stopping_round",
    "seed": "seed",
    "threads": "num_threads",
}
DEFAULTS = {
    "boosting": "gbdt",
    "learningRate": 0.05,
    "numLeaves": 31,
    "minDataInLeaf": 20,
    "featureFraction": 0.9,
    "baggingFraction": 0.8,
    "baggingFreq": 5,
    "rounds": 100,
    "earlyStopping": 10,
    "seed": 42,
    "threads": 1,
}


def table(kind, seed, n, columns):
    """Rows and labels; `kind` says what is odd about them."""
    state = seed

    def draw():
        nonlocal state
        state = state * 48271 % 2147483647
        return state / 2147483647

    rows, labels = [], []
    for _ in range(n):
        row = [draw() for _ in range(columns)]
        label = row[0] * 0.5 + row[1] * row[2] * 0.25 + (0.125 if row[3] > 0.5 else 0) + draw() * 0.125
        if kind == "steps":
            row = [math.floor(value * 4) for value in row]
        if kind == "gaps":
            row = [math.nan if draw() < 0.2 else value for value in row]
            row[4], row[5] = (math.inf if row[4] > 0.9 else row[4]), (-math.inf if row[5] < 0.1 else row[5])
        if kind == "flat":
            row = [1 for _ in row]
        rows.append(row)
        labels.append(0.7 if kind == "constant" else label)
    return np.array(rows, dtype=np.float64), np.array(labels)


def native(params):
    named = {**DEFAULTS, **params}
    values = {NAMES[name]: value for name, value in named.items()}
    values["boosting"] = {"gbdt": "gbdt", "random_forest": "rf"}[named["boosting"]]
    return {
        "objective": "regression",
        "metric": "rmse",
        **values,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def trained(params, training, validation):
    rows, labels = table(*training)
    values = native(params)
    losses = {}
    if validation is None:
        values["early_stopping_round"] = 0
        booster = lgb.train(values, lgb.Dataset(rows, labels, params=values))
    else:
        booster = lgb.train(
            values,
            lgb.Dataset(rows, labels, params=values),
            valid_sets=[lgb.Dataset(*table(*validation), params=values)],
            callbacks=[lgb.record_evaluation(losses)],
        )
    return booster, losses["valid_0"]["rmse"] if losses else []


PLAIN, OTHER = ("plain", 1, 300, 12), ("plain", 2, 80, 12)
TRAININGS = [
    ({}, PLAIN, None),
    ({}, PLAIN, OTHER),
    ({"rounds": 400, "learningRate": 0.1, "seed": 7}, PLAIN, OTHER),
    ({"rounds": 60, "earlyStopping": 0}, PLAIN, OTHER),
    ({"rounds": 30, "earlyStopping": 1, "learningRate": 0.9}, PLAIN, OTHER),
    ({"numLeaves": 4, "featureFraction": 0.5, "baggingFraction": 0.5, "baggingFreq": 1}, PLAIN, OTHER),
    ({"featureFraction": 1, "baggingFraction": 1, "baggingFreq": 0, "minDataInLeaf": 1}, PLAIN, None),
    ({"boosting": "random_forest"}, PLAIN, None),
    ({"boosting": "random_forest", "baggingFreq": 1, "baggingFraction": 0.6}, PLAIN, OTHER),
    ({}, ("gaps", 3, 300, 8), ("gaps", 4, 100, 8)),
    ({"boosting": "random_forest"}, ("gaps", 3, 300, 8), None),
    ({"minDataInLeaf": 3}, ("steps", 5, 200, 6), ("steps", 6, 50, 6)),
    ({"minDataInLeaf": 2, "rounds": 300}, ("plain", 7, 24, 8), ("plain", 8, 6, 8)),
    ({}, ("plain", 9, 30, 8), ("plain", 10, 8, 8)),
    ({}, ("plain", 9, 2, 8), None),
    ({}, ("constant", 11, 100, 6), ("plain", 12, 20, 6)),
    ({}, ("constant", 11, 100, 6), None),
    ({}, ("flat", 13, 100, 6), ("flat", 14, 20, 6)),
    ({"threads": 2}, PLAIN, OTHER),
]
PROBES = 25


def probes(columns):
    return np.concatenate([table("plain", 21, PROBES, columns)[0], table("gaps", 22, PROBES, columns)[0]])


def training(params, spec, validation):
    booster, losses = trained(params, spec, validation)
    return [
        params,
        spec,
        validation,
        booster.num_trees(),
        losses,
        booster.predict(probes(spec[3])).tolist(),
        booster.feature_importance("gain").tolist(),
        booster.feature_importance("split").tolist(),
    ]


CROSS = [
    ({}, PLAIN, 5),
    ({"rounds": 40, "earlyStopping": 0}, PLAIN, 4),
    ({"boosting": "random_forest", "rounds": 20}, PLAIN, 3),
    ({"minDataInLeaf": 3, "learningRate": 0.2}, ("gaps", 15, 50, 6), 5),
    ({}, ("plain", 16, 12, 6), 5),
]


def cross(params, spec, k):
    """Row i is in fold i % k."""
    rows, labels = table(*spec)
    values = native(params)
    folds = [
        ([i for i in range(len(rows)) if i % k != fold], [i for i in range(len(rows)) if i % k == fold])
        for fold in range(k)
    ]
    result = lgb.cv(values, lgb.Dataset(rows, labels, params=values), folds=folds, return_cvbooster=True)
    predictions = np.zeros(len(rows))
    baselines = []
    for booster, (seen, held) in zip(result["cvbooster"].boosters, folds):
        predictions[held] = booster.predict(rows[held])
        baselines.append(math.sqrt(np.mean((labels[held] - np.mean(labels[seen])) ** 2)))
    return [
        params,
        spec,
        k,
        result["valid rmse-mean"],
        result["valid rmse-stdv"],
        [float(np.mean(baselines)), float(np.std(baselines))],
        predictions.tolist(),
    ]


def saved(params, spec):
    """What Python saves: a text that lib/gbdt must load, and write alike but for the line on pandas."""
    booster, _ = trained(params, spec, None)
    return [params, spec, booster.model_to_string(), booster.predict(probes(spec[3])).tolist()]


SAVED = [
    ({"rounds": 2}, PLAIN),
    ({"rounds": 2, "boosting": "random_forest"}, ("gaps", 3, 300, 8)),
    ({}, ("constant", 11, 100, 6)),
]


def fit(predictions, labels):
    predictions, labels = np.array(predictions, dtype=float), np.array(labels, dtype=float)
    missed = np.sum((predictions - labels) ** 2)
    varied = np.sum((labels - np.mean(labels)) ** 2)
    return [
        predictions.tolist(),
        labels.tolist(),
        float(np.sqrt(np.mean((predictions - labels) ** 2))),
        float(1 - missed / varied),
        float(stats.spearmanr(predictions, labels).statistic),
    ]


def fits():
    rows = [fit([1, 2, 3, 4], [1, 2, 3, 6]), fit([4, 3, 2, 1], [1, 2, 3, 4]), fit([0, 0, 1], [0.5, 0.25, 0.25])]
    for seed, n in [(31, 5), (32, 20), (33, 100)]:
        values, labels = table("plain", seed, n, 4)
        rows.append(fit(np.round(values[:, 0], 1), np.round(labels, 1)))
        rows.append(fit(values[:, 0], labels))
    return rows


texts.write(
    "gbdt",
    "lightgbm",
    lgb.__version__,
    {
        "trainings": [training(*case) for case in TRAININGS],
        "cross": [cross(*case) for case in CROSS],
        "saved": [saved(*case) for case in SAVED],
        "fits": fits(),
    },
    numpy=np.__version__,
    scipy=scipy.__version__,
)
