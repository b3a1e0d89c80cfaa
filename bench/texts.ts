/**
 * Texts to time metrics on: English-like sentences of 10 to 40 words, and a rewriting of each, as a model's answer
 * beside its reference.
 *
 * @module
 */
import { integer, pick, type Random } from "../lib/random.ts";

/** A prediction and its reference. */
export type Pair = readonly [prediction: string, reference: string];

const COMMON = "the of and to a in is was for that on with as at by from it are this an be which or were has"
  .split(" ");
const RARE = (
  "ability account administration agreement analysis announced appeared applications approximately arrangement " +
  "assistance authorities available balanced behavior believed borders bridges buildings business campaign capital " +
  "carefully centuries championship changes characteristics children citizens collapsed collection combined commercial " +
  "committee communities companies comparing completely conditional conference considered construction consumption " +
  "continued contribution conversation countries created criticism decisions declared decreasing defended delivered " +
  "departments described designing destruction developed differences difficulties directors discovered discussions " +
  "distribution dominated economies educational effectively elections electricity employees engineering environmental " +
  "equipment established estimated eventually examinations expanded expeditions experienced explaining exploration " +
  "factories familiar farmers festivals financial flexible following foreigners formerly foundation frequently friends " +
  "generally generations government graduated happiness harbors historical hospitals identified immediately importance " +
  "improved including independence industrial influenced information inhabitants institutions international interviews " +
  "introduced investigations islands journalists justified kingdoms knowledge languages largely leadership legislation " +
  "libraries limitations literature locally machinery magazines maintained manufacturers measuring medicine membership " +
  "merchants ministers mountains museums musicians national necessarily negotiations neighbors newspapers northern notable " +
  "observations occasionally offered operations opportunities organized originally paintings parliament particularly " +
  "passengers performances permitted philosophers physicians playing policies popularity populations possibly practical " +
  "predicted preparing presidents previously principles probably processes producing professional progressively promised " +
  "properties protected provinces publications purchased qualities questions railways rapidly reaching recently recognized " +
  "recommended reduced references regional relationships religious remaining replaced representatives republic required " +
  "researchers residents resources responsible restaurants returning revolution rivers running sailing satisfied schools " +
  "scientists seasons secretaries selected separately services settlements several significantly similarly situated " +
  "societies soldiers solutions southern specialized stations statistics structures students successfully supplies " +
  "supported surprisingly surrounding systems teachers technologies television temperatures territories theories thousands " +
  "together tournament traditional transferred translations travelling treatments typically understanding universities " +
  "usually valleys variations vegetables villages visitors volunteers weakened weather western whenever windows winning " +
  "workers writers yesterday"
).split(" ");

/** `count` pairs of a sentence each. */
export const sentencePairs = (count: number, random: Random): Pair[] =>
  Array.from({ length: count }, () => pair(1, random));

/** `count` pairs of some 150 words each, a sentence a line. */
export const paragraphPairs = (count: number, random: Random): Pair[] =>
  Array.from({ length: count }, () => pair(6, random));

function pair(sentences: number, random: Random): Pair {
  const reference = Array.from({ length: sentences }, () => words(random));
  return [
    reference.map((list) => written(rewritten(list, random))).join("\n"),
    reference.map(written).join("\n"),
  ];
}

const words = (random: Random): string[] =>
  Array.from({ length: 10 + integer(31, random) }, () => word(random));

/** Half of English running text is made of a few dozen words; the rest follows Zipf's law, roughly. */
function word(random: Random): string {
  const draw = random();
  if (draw < 0.45) return COMMON[Math.floor(COMMON.length * random() ** 2)]!;
  if (draw < 0.5) return `${1 + integer(2000, random)}${pick(["", "", ",500", ".5", "%"], random)}`;
  return RARE[Math.floor(RARE.length * random() ** 2)]!;
}

/** Some words replaced, left out, put in or swapped. */
function rewritten(list: readonly string[], random: Random): string[] {
  return list.flatMap((own, i) => {
    const draw = random();
    if (draw < 0.15) return [word(random)];
    if (draw < 0.2) return [];
    if (draw < 0.25) return [own, word(random)];
    return draw < 0.3 && i > 0 ? [list[i - 1]!] : [own];
  });
}

/** With a capital, a full stop, and a comma now and then. */
function written(list: readonly string[]): string {
  const text = list.map((word, i) => i % 9 === 5 && i < list.length - 1 ? `${word},` : word).join(" ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
