/**
 * Edits that say the same in other words: another tone, fewer words, clearer ones.
 *
 * @module
 */
import {
  BULLET,
  capitalized,
  folded,
  isFree,
  joined,
  lines,
  lowered,
  rewritten,
  type Rule,
  sentences,
  settled,
  whole,
  without,
  withSentence,
  wordCount,
} from "./passages.ts";
import type { AnswerSpace, Prompt, Task } from "./prompt.ts";

/** A way to edit a text; the text itself where there is nothing to do. */
type Rewrite = (text: string) => string;

const labelsOf = ({ space }: Task): readonly string[] => space?.kind === "labels" ? space.labels : NONE;
const NONE: readonly string[] = [];

/** With both texts rewritten. */
const both = (prompt: Prompt, rewrite: Rewrite): Prompt => ({
  ...prompt,
  systemPrompt: rewrite(prompt.systemPrompt),
  outputPrompt: rewrite(prompt.outputPrompt),
});

const isSame = (a: Prompt, b: Prompt): boolean =>
  a.systemPrompt === b.systemPrompt && a.outputPrompt === b.outputPrompt && a.demos === b.demos;

/** Removes words before others, with the comma after them; what begins a sentence then has a capital. */
const before = (words: string): Rule => [new RegExp(`${FRONT}(?:${words}),?[ \\t]+([a-z]?)`, "giu"), "$1"];
/** Removes words at the end of a clause, with the space and the comma before them. */
const after = (words: string): Rule => [
  new RegExp(`(?:,[ \\t]*|[ \\t]+)(?:${words})(?=[ \\t]*(?:[.;!?\\n]|$))`, "giu"),
  "",
];
/** Other words in their place. */
const instead = (words: string, replacement: string): Rule => [whole(words), replacement];
const FRONT = String.raw`(?<![\p{L}\p{N}\p{M}_'’-])`;

/** What an instruction begins with. */
export const VERBS =
  "add answer apply ask assign avoid base be begin call check choose cite classify compare complete compute " +
  "consider copy count decide describe determine do don't draw end ensure estimate evaluate explain express extract fill find " +
  "finish focus follow format generate give guess identify ignore include infer judge keep label leave limit list look " +
  "make mark match name never note omit only output pick point print produce provide put quote read reply repeat report " +
  "respond return say select show skip solve spell state stay stick start stop summarize summarise take tell think " +
  "translate treat try use verify work write";
const INSTRUCTION = new RegExp(`^(?:${VERBS.split(" ").join("|")})(?![\\p{L}\\p{M}'’])`, "iu");

/** Whether a sentence tells what to do. */
export const isInstruction = (sentence: string): boolean =>
  (INSTRUCTION.test(sentence) || OBLIGATION.test(sentence)) && !/^\S+:$/u.test(sentence);
const OBLIGATION = /^(?:please|you (?:must|should|need to|have to|will)|always)\s/iu;

// ---- tone

/** How a prompt speaks to the model. */
export type Tone = "polite" | "neutral" | "imperative";

const POLITE = whole("please|kindly|could you|would you|thank you|thanks|i would like you to");
const IMPERATIVE = whole("must|never|always|do not|don['’]t");

/** The tone of a text: one courtesy makes it polite, else one command imperative. */
export const toneOf = (text: string): Tone =>
  text.search(POLITE) >= 0 ? "polite" : text.search(IMPERATIVE) >= 0 ? "imperative" : "neutral";

const THANKS: Rule = [
  /(?:^|(?<=[.!?\n]))[ \t]*(?:thank you|thanks)(?: (?:very much|so much|in advance|for your help))*[.!]/giu,
  "",
];
const WITHOUT_COURTESY: readonly Rule[] = [
  [/(?<![\p{L}\p{N}\p{M}_])(?:could|would|can|will) you (?:please |kindly )?([^.?!\n]{2,300})\?/giu, "$1."],
  before("i would (?:really |very much )?(?:like you to|appreciate it if you(?: would| could)?)"),
  before("please|kindly"),
  after("please"),
  THANKS,
];
const FIRM: readonly Rule[] = [
  instead("should", "must"),
  instead("you (?:can|may|might) want to", "you must"),
  before("(?:always )?(?:try|attempt|aim) to|preferably|ideally|if (?:at all )?possible"),
  after("if (?:at all )?possible|where possible|preferably|ideally"),
];

/**
 * Speaks in another tone: from polite to neutral, from neutral to imperative, from imperative to polite. Courtesies go, soft
 * words become firm ones; else the first instruction takes the tone on, that after the question before that at the beginning.
 */
export function changeTone(prompt: Prompt, task: Task): Prompt {
  const labels = labelsOf(task);
  const by = (rules: readonly Rule[]) => both(prompt, (text) => rewritten(text, rules, labels));
  const first = (change: (instruction: string) => string): Prompt => {
    const free = (text: string) => changedInstruction(text, change, labels);
    const outputPrompt = free(prompt.outputPrompt);
    if (outputPrompt !== prompt.outputPrompt) return { ...prompt, outputPrompt };
    return { ...prompt, systemPrompt: free(prompt.systemPrompt) };
  };
  switch (toneOf(`${prompt.systemPrompt}\n${prompt.outputPrompt}`)) {
    case "polite":
      return by(WITHOUT_COURTESY);
    case "neutral": {
      const firm = by(FIRM);
      return isSame(firm, prompt) ? first((text) => `You must ${lowered(duty(text).rest)}`) : firm;
    }
    case "imperative":
      return first((text) => {
        const { not, rest } = duty(text);
        return `Please ${not ? "do not " : ""}${lowered(rest)}`;
      });
  }
}

/** What an instruction tells to do, without "you must". */
function duty(text: string): { not: boolean; rest: string } {
  const [, not, rest = text] = text.match(/^you (?:must|should|need to|have to|will) (not )?([^]+)$/iu) ?? [];
  return { not: not !== undefined, rest };
}

/** With the first sentence that is an instruction changed. */
function changedInstruction(
  text: string,
  change: (sentence: string) => string,
  labels: readonly string[],
): string {
  const passages = lines(text);
  for (const [i, line] of passages.entries()) {
    const mark = line.text.match(BULLET)?.[0] ?? "";
    const all = sentences(line.text.slice(mark.length));
    const at = all.findIndex(({ text }) => isInstruction(text));
    if (at < 0) continue;
    const [word = ""] = all[at]!.text.split(/\s/u);
    if (!isFree(all[at]!.text, labels)(0, word.length)) continue;
    const made = change(all[at]!.text);
    return joined(
      passages.with(i, { ...line, text: mark + joined(all.with(at, { ...all[at]!, text: made })) }),
    );
  }
  return text;
}

// ---- length

const FEWER_WORDS: readonly Rule[] = [
  THANKS,
  before(
    "(?:it is|it's) (?:very |extremely )?(?:important|essential|crucial|necessary) (?:to (?:note|remember|keep in mind) )?that",
  ),
  before("(?:it is|it's) worth noting that"),
  before("(?:please )?(?:note|remember|keep in mind|bear in mind|be aware) that"),
  before(
    "(?:please )?(?:make sure|be sure|take care|remember) to|(?:make sure|ensure) that you|make sure you",
  ),
  before(
    "(?:your (?:task|job|goal) is|i (?:want|need|would like) you|you are (?:required|asked|expected)|you (?:need|have)) to",
  ),
  before(
    "in this (?:task|exercise), (?:you (?:will|are going to|have to) )?|basically|essentially|as you (?:may )?know",
  ),
  instead("in order to", "to"),
  instead("so as to", "to"),
  instead("due to the fact that", "because"),
  instead("in the event that", "if"),
  instead("at (?:this|that) point in time", "now"),
  instead("(?:with regard|with respect|in relation) to", "about"),
  instead("for the purpose of", "for"),
  instead("in spite of the fact that", "although"),
  instead("each and every", "every"),
  instead("any and all", "all"),
  instead("whether or not", "whether"),
  instead("a total of", ""),
  instead("has the ability to|is able to", "can"),
  instead("have the ability to|are able to", "can"),
  before("(?:very(?! (?:much|well))|really|quite|truly|extremely|actually|literally|absolutely|definitely)"),
  after(
    "at all times|as much as possible|to the best of your (?:ability|abilities|knowledge)|at the end of the day",
  ),
  [/(?<=\S)[ \t]{2,}(?=\S)/gu, " "],
  [/[ \t]+(?=\r?\n|$)/gu, ""],
];

/** Says the same in fewer words: without fillers, repeated sentences, examples shown twice, and needless space. */
export const shortenPrompt = (prompt: Prompt, task: Task): Prompt =>
  settled(prompt, (prompt) => shortened(prompt, labelsOf(task)), isSame);

function shortened(prompt: Prompt, labels: readonly string[]): Prompt {
  const seen = new Set<string>();
  // what is said after every question need not be said before as well
  const outputPrompt = shorter(prompt.outputPrompt, labels, seen);
  const systemPrompt = shorter(prompt.systemPrompt, labels, seen);
  const shown = new Set<string>();
  const demos = prompt.demos.filter(({ question, answer }) => {
    const key = JSON.stringify([question, answer]);
    return !shown.has(key) && shown.add(key);
  });
  return {
    ...prompt,
    ...{ systemPrompt, outputPrompt, demos: demos.length < prompt.demos.length ? demos : prompt.demos },
  };
}

/** A sentence of fewer words may be repeated for a reason. */
const FEWEST_WORDS = 3;

function shorter(text: string, labels: readonly string[], seen: Set<string>): string {
  const passages = without(lines(rewritten(text, FEWER_WORDS, labels)), (line) => {
    const mark = line.text.match(BULLET)?.[0] ?? "";
    const all = sentences(line.text.slice(mark.length));
    const fresh = all.filter(({ text }) => {
      const key = folded(text);
      return wordCount(key) < FEWEST_WORDS || !seen.has(key) && seen.add(key);
    });
    if (fresh.length === all.length) return line;
    const rest = joined(fresh).trim();
    return rest === "" ? null : { ...line, text: mark + rest };
  });
  return joined(passages).replace(/(?:\r?\n[ \t]*){3,}/gu, "\n\n").trim();
}

// ---- clarity

/** Says what kind of answer is wanted; else says a vague thing exactly; else parts the longest sentence in two. */
export function clarifyInstruction(prompt: Prompt, task: Task): Prompt {
  const labels = labelsOf(task);
  const [kind, said] = kindOf(task.space);
  if (`${prompt.systemPrompt}\n${prompt.outputPrompt}`.search(said) < 0) {
    return { ...prompt, systemPrompt: withSentence(prompt.systemPrompt, kind) };
  }
  const exact = both(prompt, (text) => rewritten(text, exactly(task.space), labels));
  if (!isSame(exact, prompt)) return exact;
  return both(prompt, (text) => partedSentence(text, labels));
}

/** The sentence that says what an answer is, and how one sees that it is said. */
function kindOf(space: AnswerSpace | undefined): [text: string, said: RegExp] {
  switch (space?.kind) {
    case "labels":
      return [
        "Each question belongs to one class, and the answer is the name of that class.",
        whole("class(?:es)?|category|categories|label|labels|classify"),
      ];
    case "extract":
      return [
        "The answer is a piece of the text in the question, word for word.",
        whole("word for word|exact words|verbatim|cop(?:y|ied)"),
      ];
    case "number":
      return ["The answer is a number.", whole("numbers?|digits|numeric")];
    case "text":
      return space.words.most <= 8
        ? ["The answer is a name or a short phrase.", whole("name|phrase|words?")]
        : [
          `The answer is a text of about ${space.words.median} words.`,
          whole(String.raw`\d+ words?|text of about`),
        ];
    default:
      return ["The answer says exactly what is asked for, and no more.", whole("what is asked|exactly|only")];
  }
}

/** Vague words, and what they become. */
function exactly(space: AnswerSpace | undefined): Rule[] {
  const words = space?.kind === "text" ? space.words.most : space?.kind === "labels" ? undefined : 10;
  const limit = words === undefined
    ? "in one label"
    : words <= 1
    ? "in one word"
    : `in at most ${words} words`;
  return [
    instead("briefly|concisely|succinctly|in (?:a )?(?:brief|concise|short) (?:manner|way|form)", limit),
    after(
      "as (?:needed|necessary|appropriate)|(?:if|when|where) (?:needed|necessary|appropriate)|and so (?:on|forth)|and the like|and similar|or something",
    ),
    [/,?[ \t]+etc\.(?=[ \t]+\S)/giu, ""],
    [/,?[ \t]+etc\.?(?=[ \t]*(?:\n|$))/giu, "."],
    instead("a couple of", "two"),
    instead(
      "(?:only )?(?:a few|few) words",
      words === undefined ? "one label" : words <= 1 ? "one word" : `at most ${words} words`,
    ),
  ];
}

/** A sentence with more words than this is parted. */
const LONG = 24;

/** With the first sentence of more than LONG words parted where a second instruction begins. */
function partedSentence(text: string, labels: readonly string[]): string {
  const passages = lines(text);
  for (const [i, line] of passages.entries()) {
    const all = sentences(line.text);
    for (const [j, { text, gap }] of all.entries()) {
      if (wordCount(text) <= LONG) continue;
      const free = isFree(text, labels);
      for (const { 0: joint, index } of text.matchAll(JOINT)) {
        const left = text.slice(0, index), right = text.slice(index + joint.length);
        const long = Math.min(wordCount(left), wordCount(right)) >= 5;
        if (!long || !free(index, index + joint.length) || /[:(]\s*[^)]*$/u.test(left)) continue;
        const made = `${left}. ${capitalized(right)}`;
        return joined(passages.with(i, { ...line, text: joined(all.with(j, { text: made, gap })) }));
      }
    }
  }
  return text;
}

const JOINT = new RegExp(
  `;[ \\t]+(?=[a-z])|,?[ \\t]+(?:and then|and also|and|but)[ \\t]+(?=(?:you|it|they|the answer|if|${
    VERBS.split(" ").join("|")
  })[ \\t])`,
  "gu",
);
