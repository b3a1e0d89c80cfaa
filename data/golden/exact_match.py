"""Golden numbers for lib/metrics/exact_match.ts.

Hugging Face Evaluate fetches its metrics from a server, so the formula of its metric card (evaluate 0.4.6,
metrics/exact_match) stands here: re.sub for each pattern, str.lower, str.translate without string.punctuation, then
without string.digits, then equality; with several references the best counts.
"""

import re
import string
import warnings

import texts

warnings.simplefilter("ignore", FutureWarning)  # some patterns below may one day mean nested sets

SETTINGS = [
    {},
    {"ignoreCase": True},
    {"ignorePunctuation": True},
    {"ignoreNumbers": True},
    {"ignoreCase": True, "ignorePunctuation": True, "ignoreNumbers": True},
    {"regexesToIgnore": ["the ", "yell", "YELL"], "ignoreCase": True, "ignorePunctuation": True},
    {"regexesToIgnore": [r"\s+"]},
    {"regexesToIgnore": [r"\W", r"\d"], "ignoreCase": True},
    {"regexesToIgnore": [r"^.*?(\d)"], "ignorePunctuation": True},
    {"regexesToIgnore": [r"\b\w{1,3}\b", r"[^\w\s]+"]},
]

# Patterns whose meaning differs between Python and JavaScript, each on all of SUBJECTS.
PATTERNS = [
    r"\d",
    r"\D",
    r"\w",
    r"\W",
    r"\s",
    r"\S",
    r"\b",
    r"\Ba",
    r"\ba",
    r"a\b",
    r".",
    r".+",
    r"(?s).+",
    r"^.",
    r".$",
    r"(?m)^.",
    r"(?m).$",
    r"\Aa",
    r"a\Z",
    r"a$",
    r"(?i)straße",
    r"(?i)k",
    r"(?i)[a-c]+",
    r"(?im)^a$",
    r"[\w-]+",
    r"[^\W\d]+",
    r"[\s\S]",
    r"[]a]",
    r"[^]a]",
    r"[a\]b]",
    r"[[a]",
    r"[a-]",
    r"[-a]",
    r"[\d.,]+",
    r"[&&]",
    r"[a||b]",
    r"[!--]",
    r"[\x00-\x1f]",
    r"[\b]",
    r"\x41",
    r"\u0041",
    r"\U0001f600",
    r"\101",
    r"\0",
    r"\t|\n",
    r"a{2}",
    r"a{,2}",
    r"a{1,}",
    r"a{2,3}?",
    r"a{",
    r"a}",
    r"{a}",
    r"{,a",
    r"x{1,2,3}",
    r"(a)(b)?\1",
    r"(?P<x>a)(?P=x)",
    r"(?:a|b)+",
    r"a(?#comment)b",
    r"(?=a)",
    r"(?<=a)b",
    r"(?<!a)b",
    r"(?!a)\w",
    r"\.",
    r"\-",
    r"\ ",
    r"\'",
    r"\_",
    r"\é",
    r"a*?b",
    r"",
    r"a|",
    r"(|a)+",
    r"😀",
    r"[😀-😂]",
    r"[^😀]",
    r"😀+",
    r"[^a-z0-9]+",
    r"\$\d+(?:[.,]\d+)*",
    r"/",
    r"#.*",
    r"~!@%",
]
SUBJECTS = [
    "abc aab aaa b",
    "a\nb\na",
    "a\n",
    "\na",
    "a\r\nb\u2028c\u0085d",
    "\u0661\uff12\u00b23 \u00bd",
    "\u00e9t\u00e9 na\u00efve a\u0301b",
    "STRASSE Stra\u00dfe \u212aelvin K k",
    "\U0001f600\U0001f601a\U0001f602",
    "[a]-{a} a{ a} {,a xx{1,2,3}",
    "a&&b||c!--#\\^ ~!@% / ' _ -",
    "\x00\x01\x08\x1c\x1f\t\v\f",
    "\u00a0\u3000\ufeff\u200b ",
    "$1,000.50 and $2",
    "ab abab aa ba (a)(b)",
    "A-B_c.d",
    "",
    "\u4e2d\u6587 \u03a3\u03c3\u03c2 \u0130\u0131",
]


def normalize(text, regexesToIgnore=(), ignoreCase=False, ignorePunctuation=False, ignoreNumbers=False):
    for pattern in regexesToIgnore:
        text = re.sub(pattern, "", text)
    if ignoreCase:
        text = text.lower()
    if ignorePunctuation:
        text = text.translate(str.maketrans("", "", string.punctuation))
    if ignoreNumbers:
        text = text.translate(str.maketrans("", "", string.digits))
    return text


def scores(prediction, references):
    prediction, references = texts.expand(prediction), [texts.expand(reference) for reference in references]
    return [
        int(
            any(
                normalize(prediction, **setting) == normalize(reference, **setting)
                for reference in references
            )
        )
        for setting in SETTINGS
    ]


texts.write(
    "exact_match",
    "the formula of evaluate's exact_match, on CPython's re and str",
    "evaluate 0.4.6",
    {
        "cases": [[*pair, scores(*pair)] for pair in texts.pairs(11, 250)],
        "patterns": [
            [pattern, [re.sub(pattern, "", subject) for subject in SUBJECTS]] for pattern in PATTERNS
        ],
    },
    long=texts.LONG,
    settings=SETTINGS,
    subjects=SUBJECTS,
)
