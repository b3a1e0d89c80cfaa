"""Golden numbers for lib/features: words by NLTK (requirements/bench.txt), the other counts by CPython's re and str.

word_tokenize is NLTKWordTokenizer on the sentences of PunktSentenceTokenizer. Punkt's parameters are in no wheel (NLTK
downloads them as `punkt_tab`), so it gets the two lists of sentences.ts instead; they are written into the golden file.
"""

import importlib.metadata
import math
import random
import re

from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

import texts

ABBREVIATIONS = (
    "mr mrs ms messrs dr prof st jr sr sen rep gen col lt maj adm inc corp co ltd bros vs ave ft yr mg ill "
    "jan feb aug sep sept oct nov dec tues wed fri a.m p.m a.d u.s u.s.a u.k u.n n.y n.j n.c s.c d.c l.a ph.d m.b.a "
    "calif conn wash minn mich wis fla tenn ariz colo okla ore ala nev va ky vt ga pa"
).split()
STARTERS = (
    "the this these it he they there i but so yet if in when while since although though however instead some many "
    "most both"
).split()

parameters = PunktParameters()
parameters.abbrev_types = set(ABBREVIATIONS)
parameters.sent_starters = set(STARTERS)
punkt = PunktSentenceTokenizer(parameters)
treebank = NLTKWordTokenizer()


def words(text):
    return [word for sentence in punkt.tokenize(text) for word in treebank.tokenize(sentence)]


def whole(*words):
    return r"(?<!\w)(?:" + "|".join(words) + r")(?!\w)"


def counts(text):
    lower = text.lower()
    return [
        len(text),
        len(words(text)),
        len([part for part in re.split(r"\n\s*\n", text) if part.strip()]),
        len([line for line in text.split("\n") if re.match(r"\s*(?:[-*+•‣◦▪]|[0-9]+[.)])\s+\S", line)]),
        len(re.findall(whole("must", "should", "always", "never", "don['’]t", "do", "avoid"), lower)),
        text.count("?"),
        len(re.findall(whole("only", "exactly", "precisely", "specifically"), lower)),
    ]


def balance(answers):
    times = {}
    for answer in answers:
        key = " ".join(answer.lower().split())
        times[key] = times.get(key, 0) + 1
    if len(times) < 2:
        return 0
    shares = [n / len(answers) for n in times.values()]
    return -sum(p * math.log(p) for p in shares) / math.log(len(times))


PROMPTS = [
    "You are a helpful assistant.",
    "You are a helpful assistant. Answer the question. Use one word.",
    "Answer the question precisely.\n\nDo not explain. Don't guess. Never say 'I don't know'.",
    "You MUST answer. You should ALWAYS be brief, and never, ever, avoid a question!",
    "Only say yes or no. Exactly one word; specifically \"yes\" or \"no\".",
    "# Task\n\n- Read the text.\n- Find the date.\n  * Dates look like 1.5.2020.\n\n1. First\n2) Second\n10. Tenth\n\n## Output\nOne line.",
    "• one\n‣ two\n◦ three\n▪ four\n+ five\n-six\n*seven\n1.eight\n- \n-\n*  nine",
    "a\n\n\n\nb\n \t \nc\n\r\nd\r\n\r\ne\n",
    "\n\n  \n",
    "Do's and don'ts: do it, don’t doubt it; undo, redo, must've, shouldn't, AVOIDS, avoid-it, do_not, to-do.",
    "mustn't must, must. (must) [must] 'must' \"must\" must/should/never must1 1must _must must\u0301 mu\u017ft AVO\u0130D",
    "Why? Really?! What??? \uff1f \u061f \u037e ?",
    "Dr. Smith et al. met Mr. and Mrs. Jones at 5 p.m. The U.S. The U.S. government e.g. this, i.e. that, etc. So what?",
    "He said \"Stop.\" Then he left. (She stayed.) \u201cWhy?\u201d \u00abWho?\u00bb 'Me.' [No.] {Yes!}",
    "J. S. Bach was born in Eisenach. Plan B. 3 items. It is no. 5. see p. 12. Vol. 3. the end.",
    "It costs $3.88 (roughly 3,36 euros)... Isn't it? I'd've gone... but no. Wait.... What",
    "1. do this\n2. Do that\n3. 4. 5.\n1) and 2. or 3, -4. +5. .6. 7,000. and 8.9.10. Then 11.",
    "I cannot, gimme, gonna go, gotta, lemme, more'n, d'ye, wanna see, whaddya, 'tis 'twas it'tis. Cannot! CANNOT GONNA",
    "''tis the season'' `quote' ``quotes'' \"double\" 'single' it's its' James' boys'll we've I'm he'd n't can't won't CAN'T IT'S",
    "a'b 'n' rock 'n' roll '90s 'em 'cause o'clock y'all'd've 'Sup 're 've 'll 'd 's 'S 't",
    "http://example.com/a?b=c&d=e#f user@example.com C:\\dir\\file.txt v1.2.3 1/2 50% #1 @me a&b ~x ^y",
    "{question} {{escaped}} <tag attr=\"x\"> </tag> [link](http://x.y) `code` **bold** __init__ *it* a*b",
    "A: 1, B: 2; C:3,D:4,000:5 12:30, 1:2:3, x,y ,z, ,, :: ;; :, ,: 3,a a,3 :",
    "dash - dash -- dash \u2012\u2013\u2014\u2015 non\u2011break x--y ---- a-b--c",
    "...", "....", ". . .", ". . . . ", "Hm... well. . . . so", "!", "?!", "!!! !!!", "a.", "a. ", ".a", "a .", "a . b", "a.b. c",
    "end.)", "end.) ", "end.\")", "end.' ", "end.]\u201d \u00bb", "end. ) ( ", "end .\n", "end:\n", "end,", "end:", "end.\t) x.",
    "No space.After the stop.And another!Here?Yes", "line one.\nline two.\n\nLine three", "Yes.\"No.\" 'Maybe.' -- perhaps.--Then",
    "He paid Co. Then Inc. sued Corp. However Ltd. won vs. Some. AND St. John vs. the rest in Sept. 2020. In Oct. 5 came.",
    "well-known-dr. Who, semi-inc. The mid-sept. Many P.M. This A.M. that Ph.D. I",
    "\u00c9. \u00e9t\u00e9. \u00c0 bient\u00f4t. \u0130. x \u0131. y \u01c5. z \u2160. a \u24b6. B \u00aa. C \u00b2. D _. E 5. f 5. F",
    "word\u200b. Next\ufeff. \ufeffLast\u00a0. \u00a0Gap\u2028Line.\u2028Then\u0085x.\u0085Y\x1cz.\x1cW\x0bv.\x0bU",
    "\u4f60\u597d\u3002\u518d\u89c1\uff01\u4e2d\u6587.\u82f1\u6587. \u65e5\u672c? \u6c49\u5b57",
    "\U0001f600. \U0001f600! \U0001f600\U0001f600? (\U0001f600.) \U0001f468\u200d\U0001f469.\U0001f467 e\u0301. E\u0301",
    "'" * 41 + "x", "\"" * 30, "\")'" * 20 + " x", "(." * 25 + ")" * 25, ". " * 40, ".) " * 30 + "x", "'s " * 20, "`" * 9,
    "x" * 5000 + ". Y", "a. B. c. D. " * 40, "?" * 300 + " A", "must " * 200, "- a\n" * 60, "\n" * 300 + "a" + " \n" * 300,
]

PIECES = [
    "You must should always never do don't don\u2019t avoid only exactly precisely specifically the a question answer".split(),
    "Answer Think Read The He If e.g. i.e. etc. Dr. Mr. U.S. p.m. Sept. vs. J. B. No. a.m. Ph.D. cf. Inc. Mass.".split(),
    ". . . . ? ! ... .. .... , : ; ' \" '' `` ` ( ) [ ] { } < > -- - \u2014 \u2026 \u201c \u201d \u2018 \u2019 \u00ab \u00bb \u201e * # @ $ % & /".split(),
    "1. 2) 3 4.5 1,000 5: 6, -7. 8.. 9? 10! v2. $5 50% 12:30".split(),
    "- * \u2022 + \u2023 1. 2. 3)".split(),
    "it's I'd he'll we've they're can't won't cannot gonna gimme 'tis 'twas 'em rock'n'roll James' 'quoted' \"quoted\" wanna".split(),
    "\u4e2d\u6587 \u3002 \U0001f600 caf\u00e9 e\u0301 \u00c9t\u00e9 \u0130 \u0131 \u01c5 \u00df \u03a3. \u0661. \u200b \ufeff _ \u00b2".split(),
]
GAPS = [" "] * 14 + ["", "", "", "", "\n", "\n", "\n\n", "  ", "\t", "\n- ", "\n1. ", " \n \n", "\u00a0", "\x85", "\r\n", "\x1c"]


def prompt(rng):
    return "".join(rng.choice(rng.choice(PIECES)) + rng.choice(GAPS) for _ in range(rng.randint(1, 40)))


def demos(rng):
    answers = [rng.choice(["yes", "no", " Yes ", "maybe", "NO", "a  b", "a b", "\u00dcber", "\u00fcber"]) for _ in range(rng.randint(0, 9))]
    return [["\U0001f600" * rng.randint(0, 3) + "x" * rng.randint(0, 40), answer] for answer in answers]


rng = random.Random(23)
inputs = PROMPTS + [text for pair in texts.PAIRS for text in (pair[0], *pair[1][:2])]
inputs = list({str(text): text for text in inputs}.values())
inputs += [prompt(rng) for _ in range(250)] + [texts.text(rng, 40) for _ in range(50)]

texts.write(
    "features",
    "nltk",
    importlib.metadata.version("nltk"),
    {
        "cases": [[text, counts(texts.expand(text))] for text in inputs],
        "words": [[text, punkt.tokenize(text), words(text)] for text in inputs if isinstance(text, str) and len(text) < 500],
        "demos": [
            [pairs, [len(pairs), sum(len(q + a) for q, a in pairs) / max(1, len(pairs)), balance([a for _, a in pairs])]]
            for pairs in [[], [["a", "b"]], [["a", ""], ["", "b"]]] + [demos(rng) for _ in range(40)]
        ],
    },
    version_of_features=2,
    long=texts.LONG,
    abbreviations=ABBREVIATIONS,
    starters=STARTERS,
)
