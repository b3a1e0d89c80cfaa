"""Hard texts for the golden files: a list written by hand, and seeded random ones.

A text is a string, or {"words": [seed, count]} for a long one: both languages make it from that recipe (`long`).
All characters are of Unicode 14, which CPython 3.11 knows.
"""

import json
import random
import sys
import unicodedata

LONG = (
    'the a of to and in is it The cat dog house, river. tree; 3.14 1,000 $5.50 x-ray 20-30 e.g. don\'t "quoted" '
    "(aside) caf\u00e9 na\u00efve stra\u00dfe \u4e2d\u6587 \u0440\u0435\u043a\u0430 running generations relational hopefulness flies ... ,, 1..2 -"
).split()


def long(seed, count):
    """`count` words of LONG, drawn by Park and Miller's generator."""
    words, state = [], seed
    for _ in range(count):
        state = state * 48271 % 2147483647
        words.append(LONG[state % len(LONG)])
    return " ".join(words)


def expand(text):
    return text if isinstance(text, str) else long(*text["words"])


# Prediction and references.
PAIRS = [
    ("", [""]),
    ("", ["a"]),
    ("a", [""]),
    (" ", [" "]),
    ("\n", [""]),
    ("a", ["a"]),
    ("a", ["b"]),
    ("A", ["a"]),
    ("the", ["a"]),
    ("the", ["the"]),
    ("The.", ["an"]),
    ("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"]),
    ("the cat", ["the cat sat on the mat"]),
    ("the cat sat on the mat", ["the cat"]),
    ("the cat sat on the mat", ["the cat sat on the mat"]),
    ("the cat sat on the mat", ["the cat sat on a mat"]),
    ("The cat sat on the mat.", ["the cat sat on the mat"]),
    ("mat the on sat cat the", ["the cat sat on the mat"]),
    ("a b c d e f g h", ["h g f e d c b a"]),
    ("a b c d", ["a b c d e f g h", "a b", "a b c"]),
    ("a b c d", ["e f g h", "i j", "k l m n o p"]),
    ("a b", ["a", "a b c"]),
    ("a b c", ["a b", "a b c d"]),
    ("one two three four five", ["one two three", "two three four", "three four five", "five four"]),
    ("x", ["x"] * 30),
    ("x y z", ["x", "y", "z", "x y", "y z", "x z", ""]),
    ("", ["", "a", ""]),
    ("a", ["", "", "a b"]),
    ("word word word", ["word", "word word", "word word word word"]),
    ("1,000.50", ["1,000.50"]),
    ("1,000.50", ["1000.50"]),
    ("1.000,50 is 3.14, or 2.", ["1.000,50 is 3.14 , or 2 ."]),
    (
        ".5 and 5. and 5.5 and ..5 and 5.. and 5..5 and ...5 and 5...5",
        [". 5 and 5 . and 5.5 and . .5 and 5 . ."],
    ),
    (",5 ,,5 5,,5 5,.5 a.5 a..5 a...5 5.a 5..a 5...a 5....a 5.,.,5", ["5 , 5 a . 5 a . . 5 5 . a 5 . . a"]),
    ("U.S.A. vs. U.K. e.g. i.e. etc...", ["USA vs UK eg ie etc"]),
    ("10-20 a-b -5 5- 5--6 --5 1-2-3 a-1 1-a - -- ---", ["10 - 20 a-b -5 5 - 5 - -6 --5 1 - 2 - 3"]),
    (
        "$5.00 5% #1 @home a@b.c a_b a*b a+b=c a/b a\\b a|b a^b ~a `a`",
        ["$ 5.00 5 % # 1 @ home a @ b . c a _ b"],
    ),
    (
        "!!! ??? ?! !? ... ,,, ;;; ::: --- ___ *** ((( ))) [[[ ]]] {{{ }}} <<< >>>",
        ["! ? . , ; : - _ * ( ) [ ] { } < >"],
    ),
    ("don't can't it's 'quoted' ''double'' rock'n'roll", ["do n't ca n't it 's ' quoted '"]),
    ('"Hello," she said; "it\'s 5 o\'clock."', ["Hello she said it's 5 o'clock"]),
    (
        "&quot;a&quot; &amp; &lt;b&gt; &amp;lt; &amp;amp; &AMP; &apos; &nbsp; &#39;",
        ['"a" & <b> &lt; &amp; &AMP ; &apos;'],
    ),
    ("&amp;quot; &lt;skipped&gt; &;", ["&quot; < skipped > & ;"]),
    ("<skipped>text<skipped> more", ["text more"]),
    ("<skip<skipped>ped>a", ["<skipped>a", "< skipped > a"]),
    ("hyphen-\nated word", ["hyphenated word"]),
    ("trailing hyphen-\n", ["trailing hyphen-"]),
    ("line one\nline two\nline three", ["line three\nline two\nline one"]),
    ("line one\r\nline two\rline three", ["line one line two line three"]),
    ("a\n\n\nb\n", ["\na\nb"]),
    ("\n\n", ["a\nb"]),
    ("a\tb\x0bc\x0cd", ["a b c d"]),
    ("a\x1cb\x1dc\x1ed\x1fe", ["a b c d e"]),
    ("a\x85b", ["a b"]),
    ("a\u00a0b\u2003c\u3000d\u202fe", ["a b c d e"]),
    ("a\u200bb c\u2060d e\ufefff", ["a b c d e f"]),
    ("\ufeffa", ["a"]),
    ("a\u2028b\u2029c", ["a b c", "a\nb\nc"]),
    ("  leading and trailing  ", ["leading and trailing"]),
    ("trailing nbsp\u00a0\u0085\x1f\n", ["trailing nbsp"]),
    ("trailing bom\ufeff", ["trailing bom"]),
    ("many     spaces", ["many spaces"]),
    ("\u4e2d\u6587\u5206\u8bcd", ["\u4e2d\u6587\u5206\u8bcd"]),
    ("\u4e2d\u6587\u5206\u8bcd", ["\u4e2d\u6587 \u5206\u8bcd"]),
    (
        "\u6211\u559c\u6b22\u732b\u3002\u4f60\u5462\uff1f",
        ["\u6211\u559c\u6b22\u72d7\u3002\u4f60\u5462\uff1f"],
    ),
    (
        "\u300c\u3053\u3093\u306b\u3061\u306f\u300d\u3001\u4e16\u754c\uff01",
        ["\u3053\u3093\u306b\u3061\u306f\u4e16\u754c"],
    ),
    ("\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4", ["\uc548\ub155 \uc138\uacc4"]),
    ("\uff11\uff12\uff13 \uff21\uff22\uff23", ["123 ABC", "\uff11\uff12\uff13 \uff41\uff42\uff43"]),
    ("\uff11\uff0e\uff15 \uff0c\uff05", ["1.5 ,%"]),
    ("\u0661\u0662\u0663.\u0664 \u0967,\u0968", ["123.4 1,2"]),
    ("x\u00b2 \u00bd \u2167 \u2460 \u3007 \u5341 \u0bf0", ["x2 1/2 VIII 1 0 10"]),
    ("\U0001f600 \U0001f601", ["\U0001f600 \U0001f602"]),
    ("\U0001f600.\U0001f600,\U0001f6005.\U0001f600", ["\U0001f600 . \U0001f600 , \U0001f6005"]),
    ("\U0001f468\u200d\U0001f469\u200d\U0001f467 family", ["\U0001f468 \U0001f469 \U0001f467 family"]),
    ("\U0001f1eb\U0001f1f7 \U0001f44d\U0001f3fd \u2764\ufe0f", ["\U0001f1eb \U0001f1f7 \U0001f44d \u2764"]),
    ("caf\u00e9", ["cafe\u0301"]),
    ("cafe\u0301 na\u0308ive", ["cafe\u0301 naive"]),
    ("e\u0301e\u0301 a\u0300\u0301\u0302", ["\u00e9\u00e9 a"]),
    ("\u0130stanbul", ["istanbul", "i\u0307stanbul"]),
    ("I\u0130\u0131i", ["ii\u0307\u0131i", "IIII"]),
    ("DIYARBAKIR d\u0131yarbak\u0131r", ["diyarbakir diyarbakir"]),
    ("Stra\u00dfe", ["STRASSE", "strasse", "STRA\u1e9eE"]),
    ("\u039f\u0394\u039f\u03a3", ["\u03bf\u03b4\u03bf\u03c2", "\u03bf\u03b4\u03bf\u03c3"]),
    (
        "\u03a3\u03a3 \u03a3 A\u03a3. A\u03a3B \u03a3\u0301 A\u03a3\u0301 A'\u03a3",
        ["\u03c3\u03c2 \u03c3 a\u03c2 a\u03c3b"],
    ),
    (
        "\u03a3\u0399\u0393\u039c\u0391\u03a3, \u03a4\u0395\u039b\u039f\u03a3!",
        ["\u03c3\u03b9\u03b3\u03bc\u03b1\u03c2 \u03c4\u03b5\u03bb\u03bf\u03c2"],
    ),
    ("\u212a\u212b\u2126 kelvin", ["k\u00e5\u03c9 KELVIN"]),
    ("\u01c5 \u01c8 \ufb01 \ufb03 \u0149 \u1e9e", ["\u01c6 \u01c9 fi ffi \u02bcn ss"]),
    (
        "\u10a0\u10d0 \u13a0\uab70 \U00010400\U00010428 \u1c90",
        ["\u2d00\u10d0 \u13a0\u13a0 \U00010428\U00010428 \u10d0"],
    ),
    (
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
        ["\u05e2\u05d5\u05dc\u05dd \u05e9\u05dc\u05d5\u05dd"],
    ),
    (
        "\u0645\u0631\u062d\u0628\u0627\u060c \u0639\u0627\u0644\u0645\u061f",
        ["\u0645\u0631\u062d\u0628\u0627 \u0639\u0627\u0644\u0645"],
    ),
    ("\u200fabc\u200e \u202babc\u202c", ["abc abc"]),
    (
        "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e\u0964",
        ["\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e"],
    ),
    (
        "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
        ["\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35"],
    ),
    (
        "\u00abguillemets\u00bb \u201ccurly\u201d \u2018single\u2019 \u2014 \u2013 \u2026 \u00bf\u00a1",
        ["guillemets curly single - - ... ?!"],
    ),
    (
        "\u20ac5 \u00a35 \u00a55 5\u00b0 \u00b15 \u00d7 \u00f7 \u221e \u2260 \u2122 \u00a9 \u00ae",
        ["5 5 5 5 5 x / infinity"],
    ),
    ("a.the b-an c'a the_end _a_ a\u0301 \u00e1 an\u0303 the\u00e9 \u00e9the", ["b c the end a"]),
    ("a an the A AN THE a's the-cat an.apple", ["cat apple s"]),
    ("a\u4e2d the\u4e2d \u4e2da an\u0661 1a a1 \u00b2a a\u2460", ["\u4e2d \u4e2d"]),
    (
        "\u00b7a\u00b7 (the) [an] \u201ca\u201d \u2014the\u2014 a\u200bb \u200da\u200d",
        ["\u00b7 \u00b7 \u2014 \u2014 b"],
    ),
    ("New York City", ["new york", "NYC", "New-York City"]),
    ("42", ["forty-two", "42", "42.0"]),
    ("Answer: 42", ["42"]),
    ("yes", ["Yes.", "yes!", "YES"]),
    ("agent007", ["agent"]),
    ("cat?", ["the cat"]),
    ("YELLING", ["yelling"]),
    ("aaa aa a", ["a aa aaa"]),
    ("running runner runs ran", ["run runs running runner"]),
    ("generalization generalizations generalize general", ["generic generals generalized generally"]),
    (
        "skies dying lying tying news innings outings cannings howe proceed exceed succeed",
        ["sky die lie tie new inning outing canning how proceeds exceeds succeeds"],
    ),
    (
        "flies dies mules denied died agreed owned humbled sized meeting",
        ["fly die mule deny die agree own humble size meet"],
    ),
    ("happy enjoy by say cry yyyyy syzygy toy ivy yes", ["happi enjoi bi sai cri yyyyi syzygi toi ivi ye"]),
    (
        "geology theology archaeology apologies radically logically really",
        ["geologi theologi archaeologi apolog radic logic real"],
    ),
    ("x" * 3000, ["x" * 3000]),
    ("y" * 2000 + "ing", ["y" * 2000 + "ed"]),
    ("ab " * 400, ["ba " * 400]),
    ("." * 501, ["." * 500]),
    ("1." * 300, ["1," * 300]),
    ("-" * 301 + "1-" * 100, ["- " * 100]),
    ({"words": [1, 3000]}, [{"words": [1, 3000]}]),
    ({"words": [2, 12000]}, [{"words": [3, 1500]}]),
    ({"words": [4, 1200]}, [{"words": [5, 11000]}, "the cat", {"words": [4, 900]}]),
    ("the cat sat", [{"words": [6, 15000]}]),
]

PIECES = [
    "the a an The A of and to in is was cat dog sat mat on with city river house answer question number".split(),
    "running ran runs happily happiness national nationality relational conditional generously hopefulness "
    "flies skies dying agreed sized controlling rolled falling hissing fizzed failing filing".split(),
    "1 2.5 3,000 1,000,000.00 10-20 -7 +3 .5 5. 50% $9.99 1st 2nd 1990s 0x1F 3..4 5,,6 7.,8 1.2.3".split(),
    ". , ; : ! ? ... -- - ( ) [ ] { } \" ' `` '' / \\ | @ # $ % ^ & * _ + = < > ~ .. ,, ?! .,. -.- 1- -1".split(),
    "&quot; &amp; &lt; &gt; &amp;lt; &nbsp; <skipped> &amp;amp; &quot &".split(),
    "\u4e2d\u6587 \u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4 \u3002 \uff0c \uff01 \u300c\u300d \uff11\uff12 \uff21\uff42".split(),
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \u2764\ufe0f \U0001f1eb\U0001f1f7 \U0001d518 \U00010400".split(),
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5 A\u030a \u0301x stra\u00dfe STRASSE \u1e9e \u0130 \u0131 I i\u0307 \u03a3 \u03c3 \u03c2 "
    "\u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03cc\u03c2 \u212a \u017f \ufb01 \u01c5".split(),
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u060c \u061f \u0661\u0662\u0663 \u0967\u0968 \u0928\u092e\u0938\u094d\u0924\u0947 \u0964 \u00b2 \u00bd \u2167 \u2460 \u20ac \u00a3 \u00b0 \u2014 \u2026 \u00ab \u00bb \u201c \u201d".split(),
]
GAPS = [" "] * 12 + [
    "",
    "",
    "\n",
    "\n",
    "  ",
    "\t",
    "-\n",
    "\u00a0",
    "\u3000",
    "\x85",
    "\x1c",
    "\u2028",
    "\u200b",
    "\ufeff",
    "\r\n",
]


def assigned(rng):
    """Any character of Unicode 14 that is neither a surrogate nor NUL."""
    while True:
        character = chr(
            rng.choice([rng.randrange(1, 0x300), rng.randrange(1, 0x3000), rng.randrange(1, 0x20000)])
        )
        if unicodedata.category(character) not in ("Cn", "Cs"):
            return character


def piece(rng):
    return assigned(rng) if rng.random() < 0.1 else rng.choice(rng.choice(PIECES))


def text(rng, most=25):
    """A random text of up to `most` pieces."""
    return "".join(piece(rng) + rng.choice(GAPS) for _ in range(rng.randint(0, most)))


def mutate(rng, source):
    """`source` with some characters, words and lines changed, so that scores lie between 0 and 1."""
    words = source.split(" ")
    for _ in range(rng.randint(0, 1 + len(words) // 3)):
        at = rng.randrange(len(words))
        words[at : at + rng.randint(0, 2)] = rng.choice(
            [[], [piece(rng)], [words[at], piece(rng)], [words[at].upper()]]
        ) or [""]
    return " ".join(words)


def pairs(seed, count):
    """PAIRS and `count` random ones."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        reference = text(rng)
        references = [reference] + [
            rng.choice([mutate(rng, reference), text(rng)]) for _ in range(rng.choice([0, 0, 0, 1, 3]))
        ]
        made.append((rng.choice([mutate(rng, reference)] * 9 + [text(rng)]), references))
    return PAIRS + made


def write(name, tool, version, cases, **more):
    """The golden file `name`.json beside this file: one case a line, the same bytes for the same versions."""
    head = {
        "tool": tool,
        "version": version,
        "python": sys.version.split()[0],
        "unicode": unicodedata.unidata_version,
    }
    head["command"] = f"python data/golden/{name}.py"
    lines = [f'"{key}": {json.dumps(value)}' for key, value in {**head, **more}.items()]
    lines += [
        f'"{key}": [\n' + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]"
        for key, rows in cases.items()
    ]
    with open(__file__.replace("texts.py", f"{name}.json"), "w", encoding="ascii", newline="\n") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
