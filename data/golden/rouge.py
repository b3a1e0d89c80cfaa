"""Golden numbers for lib/metrics/rouge.ts and porter_stemmer.ts, by rouge_score and NLTK (requirements/bench.txt)."""

import importlib.metadata
import random

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer, tokenizers

import texts

TYPES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
SCORERS = [rouge_scorer.RougeScorer(TYPES, use_stemmer=stemmer) for stemmer in (False, True)]
TOKENIZERS = [tokenizers.DefaultTokenizer(stemmer) for stemmer in (False, True)]

STARTS = (
    "a ab act add age agr app arch bas bl bri cans cell class clos com con cont cri cry dec deni dis eas ed enjo "
    "equi ev fail fall fil fiz fl form gen geo hap hes hiss hop ident iv jo kin lo log mat mea mot nat new obl op par "
    "plast pol prob rad rat re rel rev roll s sens sk sky stat styl suc tan ten theo tr tri troubl typ un val vex viet "
    "vil w ww xyl y yy yyy zz 1 12 a1 1y y1 probat ceas controll apolog hypothes aaa eee bab ebb oxy ay"
).split()
MIDDLES = "iz at bl al ic iv ous ful ent enc anc abl ibl ion er or ism ist it ti y e l ll ss tt z".split()
ENDS = (
    "s es ss sses ies ied eed ed ing ings y ly ational tional enci anci izer bli abli alli entli eli ousli ization "
    "ation ator alism iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al "
    "ance ence er ic able ible ant ement ment ent ion sion tion ou ism ate iti ous ive ize e ll"
).split()


def words(rng):
    """Words put together from starts and suffixes, so that every rule of the stemmer meets many stems."""
    made = {start + end for start in STARTS for end in rng.sample(ENDS, 9)}
    made |= {
        rng.choice(STARTS) + rng.choice(MIDDLES) + rng.choice(MIDDLES + [""]) + rng.choice(ENDS)
        for _ in range(1200)
    }
    made |= {
        "".join(rng.choice("aeiouylstdz1") for _ in range(rng.randint(1, 9))) + rng.choice(ENDS + [""])
        for _ in range(600)
    }
    return sorted(made | set(PorterStemmer().pool))


def scores(prediction, references):
    """For each scorer and type: precision, recall and F-measure of the best reference, the first of equals."""
    prediction, references = texts.expand(prediction), [texts.expand(reference) for reference in references]
    return [
        [list(map(float, score[kind])) for kind in TYPES]
        for score in (s.score_multi(references, prediction) for s in SCORERS)
    ]


def lines(rng):
    """Two summaries of a sentence a line, from few words, so that their subsequences are many and of equal length."""

    def summary():
        return "\n".join(
            " ".join(rng.choice("a b c d e a1 bb".split()) for _ in range(rng.randint(0, 9)))
            for _ in range(rng.randint(1, 6))
        )

    return summary(), [summary() for _ in range(rng.choice([1, 1, 2]))]


rng = random.Random(17)
stemmer = PorterStemmer()
texts.write(
    "rouge",
    "rouge_score",
    importlib.metadata.version("rouge_score"),
    {
        "cases": [[*pair, scores(*pair)] for pair in texts.pairs(16, 250) + [lines(rng) for _ in range(150)]],
        "stems": [[word, stemmer.stem(word)] for word in words(rng)],
        "tokens": [
            [text, [t.tokenize(text) for t in TOKENIZERS]]
            for text in (texts.text(rng, 12) for _ in range(150))
        ],
    },
    nltk=importlib.metadata.version("nltk"),
    long=texts.LONG,
    types=TYPES,
)
