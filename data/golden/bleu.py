"""Golden numbers for lib/metrics/bleu.ts and tokenizers.ts, by sacrebleu (requirements/bench.txt)."""

import logging
import random

import sacrebleu
from sacrebleu.metrics import BLEU

import texts

logging.disable(logging.CRITICAL)

# Of sentences: effective order is on by default, as in sacrebleu.sentence_bleu.
SETTINGS = [
    {},
    {"lowercase": True},
    {"tokenize": "none"},
    {"tokenize": "char"},
    {"tokenize": "intl"},
    {"smooth": "floor"},
    {"smooth": "floor", "smoothValue": 0.5},
    {"smooth": "add-k"},
    {"smooth": "add-k", "smoothValue": 0.25},
    {"smooth": "none"},
    {"effectiveOrder": False},
    {"effectiveOrder": False, "smooth": "none", "lowercase": True},
    {"effectiveOrder": False, "smooth": "add-k", "tokenize": "intl"},
]
NAMES = {
    "lowercase": "lowercase",
    "tokenize": "tokenize",
    "smooth": "smooth_method",
    "smoothValue": "smooth_value",
    "effectiveOrder": "effective_order",
}
TOKENIZERS = ["13a", "intl", "char", "none"]


def bleu(setting, effective_order):
    return BLEU(
        **{"effective_order": effective_order, **{NAMES[key]: value for key, value in setting.items()}}
    )


def sentence(prediction, references):
    prediction, references = texts.expand(prediction), [texts.expand(reference) for reference in references]
    return [bleu(setting, True).sentence_score(prediction, references).score / 100 for setting in SETTINGS]


def tokens(text):
    return [bleu({"tokenize": name}, True)._preprocess_segment(text).split() for name in TOKENIZERS]


def corpora(pairs):
    """Corpora of some segments each, with equal and with varying numbers of references, and their signatures."""
    rng = random.Random(14)
    short = [
        at
        for at, (prediction, _) in enumerate(pairs)
        if isinstance(prediction, str) and len(prediction) < 1000
    ]
    single = [at for at in short if len(pairs[at][1]) == 1]
    rows = []
    for number in range(60):
        rows_of = rng.sample(
            single if number % 3 == 0 else short, rng.choice([1, 2, 3, 10, 50, len(single) // 2])
        )
        setting = SETTINGS[number % len(SETTINGS)]
        most = max(len(pairs[at][1]) for at in rows_of)
        streams = [
            [texts.expand(pairs[at][1][i]) if i < len(pairs[at][1]) else None for at in rows_of]
            for i in range(most)
        ]
        # sacrebleu takes the first reference of the first segment to be there, which it is
        metric = bleu(setting, False)
        score = metric.corpus_score([pairs[at][0] for at in rows_of], streams)
        counts = [
            score.sys_len,
            score.ref_len,
            [int(c) for c in score.counts],
            [int(t) for t in score.totals],
        ]
        exact = setting.get("smooth") != "add-k"  # add-k leaves its additions in the counts
        rows.append(
            [rows_of, setting, score.score / 100, str(metric.get_signature()), counts if exact else None]
        )
    return rows


pairs = texts.pairs(13, 350)
rng = random.Random(15)
texts.write(
    "bleu",
    "sacrebleu",
    sacrebleu.__version__,
    {
        "cases": [[*pair, sentence(*pair)] for pair in pairs],
        "corpora": corpora(pairs),
        "tokens": [[text, tokens(text)] for text in (texts.text(rng, 12) for _ in range(300))],
    },
    long=texts.LONG,
    settings=SETTINGS,
    tokenizers=TOKENIZERS,
)
