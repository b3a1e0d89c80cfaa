/**
 * The Porter stemmer (Porter, 1980) with the departures of NLTK 3.10's default mode, `NLTK_EXTENSIONS`.
 *
 * ```ts
 * import { stem } from "./porter_stemmer.ts";
 * import { deepStrictEqual as deepEqual } from "node:assert/strict";
 *
 * deepEqual(["running", "flies", "generously", "sky"].map(stem), ["run", "fli", "gener", "sky"]);
 * ```
 *
 * @module
 */

const IRREGULAR: ReadonlyMap<string, string> = new Map(
  Object.entries({
    sky: "sky",
    skies: "sky",
    dying: "die",
    lying: "lie",
    tying: "tie",
    news: "news",
    innings: "inning",
    inning: "inning",
    outings: "outing",
    outing: "outing",
    cannings: "canning",
    canning: "canning",
    howe: "howe",
    proceed: "proceed",
    exceed: "exceed",
    succeed: "succeed",
  }),
);

const STEP_2 = rules(
  "ational>ate tional>tion enci>ence anci>ance izer>ize bli>ble alli>al entli>ent eli>e ousli>ous ization>ize " +
    "ation>ate ator>ate alism>al iveness>ive fulness>ful ousness>ous aliti>al iviti>ive biliti>ble fulli>ful",
);
const STEP_3 = rules("icate>ic ative> alize>al iciti>ic ical>ic ful> ness>");
const STEP_4 = rules(
  "al> ance> ence> er> ic> able> ible> ant> ement> ment> ent> ion> ou> ism> ate> iti> ous> ive> ize>",
);

/** The stem of `word`, which must be lower case already; a word of one or two letters is its own. */
export function stem(word: string): string {
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) return irregular;
  if (word.length <= 2) return word;
  return step5(step4(step3(step2(step1c(step1b(step1a(word)))))));
}

function step1a(word: string): string {
  if (!word.endsWith("s")) return word;
  if (word.endsWith("ies")) return cut(word, word.length === 4 ? 1 : 2); // dies -> die, ponies -> poni
  if (word.endsWith("sses")) return cut(word, 2);
  return word.endsWith("ss") ? word : cut(word, 1);
}

function step1b(word: string): string {
  if (word.endsWith("ied")) return cut(word, word.length === 4 ? 1 : 2);
  if (word.endsWith("eed")) return measure(cut(word, 3)) > 0 ? cut(word, 1) : word;
  const suffix = word.endsWith("ed") ? 2 : word.endsWith("ing") ? 3 : 0;
  const stem = cut(word, suffix);
  if (suffix === 0 || !hasVowel(stem)) return word;
  if (stem.endsWith("at") || stem.endsWith("bl") || stem.endsWith("iz")) return stem + "e";
  if (endsDoubleConsonant(stem)) return /[lsz]$/.test(stem) ? stem : cut(stem, 1);
  return measure(stem) === 1 && endsCvc(stem) ? stem + "e" : stem;
}

/** NLTK: y after a consonant that does not begin the word (`happi`, but `enjoy` and `by`). */
function step1c(word: string): string {
  const stem = cut(word, 1);
  return word.endsWith("y") && stem.length > 1 && isConsonant(stem, stem.length - 1) ? stem + "i" : word;
}

function step2(word: string): string {
  // NLTK: alli comes first, and what it leaves is taken through the step again
  if (word.endsWith("alli") && measure(cut(word, 4)) > 0) return step2(cut(word, 2));
  // NLTK: the l of logi belongs to the stem, so that geo- and theo- have a measure
  if (word.endsWith("logi")) return measure(cut(word, 3)) > 0 ? cut(word, 1) : word;
  return replace(word, STEP_2, 1);
}

const step3 = (word: string): string => replace(word, STEP_3, 1);

const step4 = (word: string): string =>
  word.endsWith("ion") && !/[st]ion$/.test(word) ? word : replace(word, STEP_4, 2);

function step5(word: string): string {
  const stem = cut(word, 1);
  if (word.endsWith("ll")) return measure(stem) > 1 ? stem : word;
  if (!word.endsWith("e")) return word;
  const m = measure(stem);
  const cease = m > 1 || (m === 1 && !endsCvc(stem)) ? stem : word;
  return cease.endsWith("ll") && measure(cut(cease, 1)) > 1 ? cut(cease, 1) : cease;
}

const cut = (word: string, letters: number): string => word.slice(0, word.length - letters);

/** Suffixes with their replacements by last letter, in the order in which they are tried. */
type Rules = ReadonlyMap<string, readonly (readonly [suffix: string, replacement: string])[]>;

function rules(text: string): Rules {
  const all = text.split(" ").map((rule) => rule.split(">") as [string, string]);
  return Map.groupBy(all, ([suffix]) => suffix.at(-1)!);
}

/** Applies the first rule whose suffix fits, if the stem before it has at least `m`; no other rule is tried then. */
function replace(word: string, rules: Rules, m: number): string {
  const rule = rules.get(word.at(-1)!)?.find(([suffix]) => word.endsWith(suffix));
  if (rule === undefined) return word;
  const stem = cut(word, rule[0].length);
  return measure(stem) >= m ? stem + rule[1] : word;
}

const isVowelLetter = (letter: string | undefined): boolean =>
  letter !== undefined && "aeiou".includes(letter);

/** Whether the letter at `i` is a consonant: y is one at the start and after a vowel; digits are. */
function isConsonant(word: string, i: number): boolean {
  let first = i;
  while (first > 0 && word[first] === "y") first--;
  return isVowelLetter(word[first]) === ((i - first) % 2 === 1);
}

/** m, the number of vowel-consonant turns: [C](VC){m}[V]. */
function measure(stem: string): number {
  let m = 0, consonant = true;
  for (let i = 0; i < stem.length; i++) {
    const before: boolean = consonant;
    consonant = stem[i] === "y" ? i === 0 || !before : !isVowelLetter(stem[i]);
    if (consonant && !before) m++;
  }
  return m;
}

/** A y that is not at the start is a vowel, or the letter before it is. */
const hasVowel = (stem: string): boolean => /[aeiou]|.y/.test(stem);

const endsDoubleConsonant = (stem: string): boolean =>
  stem.length > 1 && stem.at(-1) === stem.at(-2) && isConsonant(stem, stem.length - 1);

/** `*o`: ends consonant, vowel, consonant, the last not w, x or y; NLTK: or is a vowel and a consonant. */
function endsCvc(stem: string): boolean {
  const last = stem.length - 1;
  if (last < 1 || isConsonant(stem, last - 1) || !isConsonant(stem, last)) return false;
  return last === 1 || (isConsonant(stem, last - 2) && !/[wxy]$/.test(stem));
}
