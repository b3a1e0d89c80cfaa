"""Golden numbers for lib/metrics/f1.ts.

The evaluation scripts of SQuAD 1.1 and 2.0 are not in any wheel, so their formula stands here, on CPython's str and
re: lower case, without string.punctuation, without \\b(a|an|the)\\b, split; F1 of the words in common. Where either
text has no words, 1.1 gives 0, 2.0 gives 1 if both have none; with several references the best counts.
"""

import collections
import re
import string

import texts


def words(text):
    text = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def f1(prediction, reference, version):
    own, other = words(prediction), words(reference)
    if version == 2 and not (own and other):
        return int(own == other)
    common = sum((collections.Counter(own) & collections.Counter(other)).values())
    if common == 0:
        return 0
    precision, recall = common / len(own), common / len(other)
    return 2 * precision * recall / (precision + recall)


def scores(prediction, references):
    prediction, references = texts.expand(prediction), [texts.expand(reference) for reference in references]
    return [max(f1(prediction, reference, version) for reference in references) for version in (1, 2)]


texts.write(
    "f1",
    "the formula of SQuAD's evaluation, on CPython's re and str",
    "1.1 and 2.0",
    {"cases": [[*pair, scores(*pair)] for pair in texts.pairs(12, 350)]},
    long=texts.LONG,
)
