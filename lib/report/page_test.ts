import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { createHash } from "node:crypto";
import { parseHTML } from "linkedom";
import type { ExperimentRecord, ExperimentRow } from "../store/overview.ts";
import { HOSTILE } from "./hostile.ts";
import { htmlReport } from "./page.ts";
import { ancestry } from "./rows.ts";
import { LEARNED, META_MODEL, PREDICTED, RECORD, trial, TRIALS } from "./testing.ts";
import { visible } from "./text.ts";

const parsed = (page: string): Document => parseHTML(page).document;
const rendered = (row: Partial<ExperimentRow> = {}, rest: Partial<ExperimentRecord> = {}): string =>
  htmlReport({ ...RECORD, ...rest, experiment: { ...RECORD.experiment, ...row } });
const words = (element: Element | null): string => element?.textContent?.replace(/\s+/g, " ").trim() ?? "";

Deno.test("htmlReport() says on its first screen what came of it", () => {
  const document = parsed(htmlReport(RECORD));
  const first = words(document.querySelector("#result"));
  for (
    const said of [
      "which prompt makes local score highest on kinds, by exact match?",
      "No significant improvement",
      "from 16.7 % to 50.0 %",
      "What changed: the system prompt was rewritten, the output prompt was added and 1 worked example was added.",
      "+33.3 points",
      "95 % interval−30.0 to +80.0",
      "p = 0.63",
      "exact McNemar test, n = 6",
      "408 primary4 optimizer4 more answers were known",
      "94,000 read2,100 written",
      "$0.012",
      "1 min 00 s",
      "3 iterations in a row brought nothing better",
      "test split is locked",
      "10 train, 80 validation, 6 test",
    ]
  ) ok(first.includes(said), `${said} is missing in: ${first}`);
});

Deno.test("htmlReport() says of each model what it did, and whose price is not known", () => {
  const [primary, optimizer] = RECORD.bill;
  const { model } = optimizer!;
  const models = [...RECORD.models, { model, identity: { provider: "openai", model: "large" } }];
  const facts = (bill: ExperimentRecord["bill"]) => {
    const document = parsed(rendered({}, { models, bill }));
    const names = [...document.querySelectorAll("#reproduce > .facts dt")].map(words);
    return [names.filter((name) => /^Model/.test(name)), words(document.querySelector("#result"))] as const;
  };
  const [names, paid] = facts(RECORD.bill);
  deepEqual(names, ["Model that answered", "Model that wrote prompts"]);
  ok(!paid.includes("price is not known") && paid.includes("at the price list of the day"), paid);
  const free = [{ ...primary!, model, cost_usd: 0 }, { ...optimizer!, cost_usd: 0 }];
  const [both, unpaid] = facts(free);
  deepEqual(both, ["Model", "Model that answered and wrote prompts"]);
  ok(unpaid.includes("$0without openai:large@https://models.example/v1, whose price is not known"), unpaid);
});

Deno.test("htmlReport() says how often the test questions were looked at", () => {
  const first = (config: ExperimentRow["config"]) => {
    const experiment = { ...RECORD.experiment, config: { ...RECORD.experiment.config, ...config } };
    return words(parsed(htmlReport({ ...RECORD, experiment })).querySelector("#result"));
  };
  match(first({}), /At the end, once, the prompt to begin with/);
  match(
    first({ claims_before: 2 }),
    /At the end, after 2 claims that it made on the same questions before it/,
  );
});

Deno.test("htmlReport() has every section, each with a heading, and links that lead somewhere", () => {
  const document = parsed(htmlReport(RECORD));
  for (const section of document.querySelectorAll("section")) {
    const label = document.getElementById(section.getAttribute("aria-labelledby")!);
    ok(label && /^H[12]$/.test(label.tagName), `${section.id} has no heading`);
  }
  deepEqual(
    [...document.querySelectorAll("nav a")].map((a) => a.getAttribute("href")),
    ["#prompt", "#lineage", "#questions", "#cost", "#reproduce"],
  );
  for (const a of document.querySelectorAll("a")) {
    ok(document.getElementById(a.getAttribute("href")!.slice(1)), `${a.getAttribute("href")} leads nowhere`);
  }
  equal(document.querySelectorAll("h1").length, 1);
  for (const th of document.querySelectorAll("th")) match(th.getAttribute("scope")!, /^(col|row)$/);
  for (const svg of document.querySelectorAll("svg")) {
    equal(svg.getAttribute("role"), "img");
    ok(svg.getAttribute("aria-label"));
  }
});

Deno.test("htmlReport() shows prompt, trials, questions, bill and command", () => {
  const document = parsed(htmlReport(RECORD));
  match(
    words(document.querySelector("#prompt")),
    /You are a helpful assistant\.Say what is asked for\..*One word\..*1 added/,
  );
  equal(words(document.querySelector("#prompt .demos li")), "Who?personadded");
  equal(document.querySelector("#prompt p code")!.textContent, "deno task evaluate --prompt prompt-5");
  const trials = [...document.querySelectorAll("#trials tbody tr")].map(words);
  equal(trials.length, 6);
  match(
    trials[4]!,
    /#4.*prompt-4.*recombine.*mixed.*#1, #3.*−5\.0.*45\.0.*30\.0 to 61\.0.*40.*dropped.*a reason/,
  );
  const questions = [...document.querySelectorAll("#question-table tbody tr")].map(words);
  equal(questions.length, 6);
  match(questions[0]!, /^lostQuestion 0\?person or somebodyWell, 0 …rightperson 0wrong$/);
  match(words(document.querySelector("#bill")), /primarylocal408.*110 ms260 ms.*optimizer/);
  equal(
    document.querySelector("pre")!.textContent,
    "deno task optimize \\\n  --dataset kinds.jsonl \\\n  --max-iterations 10 \\\n  --metric exact_match \\\n  --patience 3 \\\n  --primary local \\\n" +
      "  --threshold 0.9 \\\n  --seed 7",
  );
  match(words(document.querySelector("#reproduce")), new RegExp(`${"ab".repeat(32)}.*exact_match\\|case:lc`));
});

Deno.test("htmlReport() shows the bias of each answer where a prompt has one, and what became of it", () => {
  const rows: [ExperimentRecord["trials"][number]["bias"], string | null, string | null, RegExp][] = [
    [null, null, null, /^What changed: the .* added\.$/],
    [
      null,
      '{"a": -2.1, "b": 0.85}',
      "<ins>a −2.10</ins>, <ins>b +0.85</ins>",
      /and the bias of .* was added\./,
    ],
    [{ a: -2.1 }, '{"a": -2.1}', "a −2.10", /added\.$/],
    [{ a: 1 }, '{"a": -2.1}', "<del>a +1.00</del>, <ins>a −2.10</ins>", /and the bias of .* was changed\./],
    [{ a: 1 }, null, "<del>a +1.00</del>", /and the bias of .* was removed\./],
  ];
  for (const [before, after, expected, said] of rows) {
    const biases = new Map([[0, before], [5, JSON.parse(after ?? "null")]]);
    const trials = TRIALS.map((row) => ({ ...row, bias: biases.get(row.index) ?? null }));
    const document = parsed(rendered({}, { trials }));
    const heading = [...document.querySelectorAll("#prompt h3")].find((h3) => words(h3).startsWith("Bias"));
    equal(heading === undefined, expected === null);
    const told = heading?.nextElementSibling;
    equal(told?.nextElementSibling?.innerHTML.trim() ?? null, expected);
    const several = Object.keys(JSON.parse(after ?? "{}")).length > 1;
    if (told) {
      match(words(told), /too often is made less likely .* logit_bias\./);
      equal(/ nothing else, where the server can see to that\.$/.test(words(told)), several);
    }
    const changed = [...document.querySelectorAll("#result p")].map(words).find((p) =>
      /^What changed/.test(p)
    )!;
    match(changed.replace(/ See the prompt$/, ""), said);
  }
});

Deno.test("htmlReport() shows what was learned, and only what there is", () => {
  const check = (
    learned: Partial<ExperimentRecord["learned"]>,
    trials: ExperimentRecord["trials"],
    said: RegExp[],
  ) => {
    const document = parsed(rendered({}, { trials, learned: { ...RECORD.learned, ...learned } }));
    const section = document.querySelector("#learned");
    deepEqual([...section?.querySelectorAll("h3") ?? []].length, said.length);
    equal(document.querySelector("nav a[href='#learned']") === null, said.length === 0);
    for (const expected of said) match(words(section), expected);
    return document;
  };
  const predicted = /Of 4 raced prompts it was off by 7\.6 points on average\. .* rank correlation of 0\.80/;
  const guided =
    /This search was guided by a meta-model, .* 60 scored prompts \(kinds\)\..* 12\.0 points, .* 21\.0 \(5 folds\)/;
  const edits =
    /A policy \(PPO, trained by 20,000 edits, rewarded by a meta-model: 0\.31 a session, 0\.12 by chance\) edited 3 prompts\. 2 of them met questions, 1 answered/;
  check({}, TRIALS, []);
  check({ metaModel: META_MODEL }, TRIALS, [/without a meta-model; shown is the newest one/]);
  check({ policy: LEARNED.policy }, TRIALS, []);
  check({}, PREDICTED, [predicted]);
  const document = check(LEARNED, PREDICTED, [predicted, guided, edits]);
  deepEqual([...document.querySelectorAll("#edits tbody tr")].map(words), [
    "#2 shorten +2.0 +2.0 –",
    "#3 add constraint +5.0, add demo +11.0, add demo +4.0 +20.0 +7.5",
    "#4 add structure +3.0 +3.0 −5.0",
  ]);
  const facts = words(document.querySelector("#reproduce"));
  for (
    const { id, hash } of [
      { id: META_MODEL.id, hash: META_MODEL.modelSha256 },
      { id: LEARNED.policy!.id, hash: LEARNED.policy!.onnxSha256 },
    ]
  ) ok(facts.includes(`${hash} (${id})`), facts);
});

Deno.test("htmlReport() says what ran: versions, the model and its digest", () => {
  const config = { ...RECORD.experiment.config, versions: { quintet: "0.1.0", deno: "2.9.6" } };
  const facts = words(parsed(rendered({ config })).querySelector("#reproduce"));
  match(facts, /Versions *quintet 0\.1\.0, deno 2\.9\.6/);
  match(facts, new RegExp(`provider local, model SmolLM2-135M-Instruct, sha256 ${"01".repeat(32)}`));
});

Deno.test("htmlReport() renders whatever state an experiment is in", () => {
  const none = {
    before: null,
    after: null,
    improvement: null,
    ci_low: null,
    ci_high: null,
    p_value: null,
    significant: null,
    test: null,
    test_n: null,
    stop_reason: null,
  } as const;
  const empty = { trials: [], bill: [], metrics: [], answers: [] };
  const unanswered = { metrics: [], answers: [] };
  const check = (page: string, title: string, sections: string[]) => {
    const document = parsed(page);
    equal(words(document.querySelector("h1")), title);
    deepEqual([...document.querySelectorAll("main > section")].map(({ id }) => id), sections);
    deepEqual(page.match(/.{40}(?:NaN|undefined|\[object|Infinity).{20}/g), null);
  };
  const all = [
    "result",
    "prompt",
    "lineage",
    "score",
    "operators",
    "trials-section",
    "questions",
    "cost",
    "reproduce",
  ];
  const unclaimed = all.filter((id) => id !== "questions");
  check(rendered({ significant: true }), "The new prompt is better", all);
  check(rendered({ before: 0, after: 0, improvement: 0 }), "No better prompt was found", all);
  check(
    rendered({ ...none, status: "running", ended_at: null }, unanswered),
    "Still running: no claim yet",
    unclaimed,
  );
  check(
    rendered({ ...none, status: "interrupted", stop_reason: "interrupted" }, unanswered),
    "Interrupted before the claim",
    unclaimed,
  );
  check(
    rendered({ ...none, status: "failed", error: "Cannot go on" }, unanswered),
    "The run failed",
    unclaimed,
  );
  check(
    rendered({ ...none, status: "running", splits: {}, config: {} }, empty),
    "Still running: no claim yet",
    ["result", "reproduce"],
  );
  check(
    rendered({ ...none, status: "running" }, { ...empty, trials: [trial(0)] }),
    "Still running: no claim yet",
    ["result", "prompt", "lineage", "trials-section", "reproduce"],
  );
  check(
    rendered({ ...none, kind: "evaluate" }, {
      trials: [],
      metrics: RECORD.metrics.slice(0, 1),
      answers: RECORD.answers.filter((a) => a.version === 0),
    }),
    "Exact match: 16.7 %",
    ["result", "questions", "cost", "reproduce"],
  );
  match(rendered({ ...none, status: "failed", error: "Cannot go on" }), /Cannot go on/);
});

Deno.test("htmlReport() is a function of its rows", () => {
  equal(htmlReport(RECORD), htmlReport(structuredClone(RECORD)));
  ok(!htmlReport(RECORD).includes("Written "));
  match(
    htmlReport(RECORD, { generatedAt: new Date(Date.UTC(2027, 0, 2, 3, 4)) }),
    /Written 2027-01-02 03:04 UTC/,
  );
});

Deno.test("htmlReport() allows itself its own script and style and nothing else", () => {
  const page = rendered({}, { bill: RECORD.bill.slice(0, 1) });
  const document = parsed(page);
  const policy = document.querySelector("meta[http-equiv]")!.getAttribute("content")!;
  for (const [name, tag] of [["script-src", "script"], ["style-src", "style"]] as const) {
    const text = page.match(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`))![1]!;
    const hash = createHash("sha256").update(text).digest("base64");
    ok(policy.includes(`${name} 'sha256-${hash}'`), name);
    equal(document.querySelectorAll(tag).length, 1);
  }
  match(policy, /^default-src 'none'; /);
  equal(document.querySelectorAll("[style], [src]").length, 0);
  ok(!/https?:/.test(page.replaceAll(/http:\/\/www\.w3\.org\/[^"]*/g, "")));
});

Deno.test("htmlReport() shows no secret", () => {
  const page = rendered({
    error: "Cannot reach https://user:canary@host/v1?key=canary with sk-canary0123456789abcdef",
    status: "failed",
    config: {
      database: "postgresql://reader:canary@localhost/quintet",
      primary: "openai:small@https://user:canary@host/v1?key=canary",
      openai_api_key: "canary",
      nested: { apiKey: "canary", headers: ["Authorization: Bearer canary.canary"] },
      max_iterations: 10,
      max_tokens: 5000,
      system_prompt: "It's a test",
    },
  }, { bill: [{ ...RECORD.bill[0]!, model: "openai:small@https://user:canary@host/v1" }] });
  deepEqual(page.match(/.{60}canary.{20}/g), null);
  const command = parsed(page).querySelector("pre")!.textContent!;
  match(command, /--max-tokens 5000/);
  match(command, /--primary openai:small@https:\/\/host\/v1/);
  match(command, /--system-prompt 'It'\\''s a test'/);
});

Deno.test("htmlReport() stays under 2 MB for 2,000 test questions and 300 trials", () => {
  const long = 'A long <b>answer</b> with "quotes" & 漢字. '.repeat(200);
  const page = rendered({}, {
    trials: Array.from({ length: 300 }, (_, i) =>
      trial(i, {
        iteration: Math.ceil(i / 6),
        parent: i === 0 ? null : i - 1,
        accepted: i % 6 === 0,
        validation: 0.5,
        validation_low: 0.4,
        validation_high: 0.6,
        questions_seen: 20,
        gain: 0,
        reason: long,
        metadata: { parents: [i - 1, 0], note: long },
        system_prompt: long.repeat(i === 0 ? 1 : 20),
        demos: Array.from({ length: 16 }, () => ({ question: long, answer: long })),
      })),
    answers: Array.from({ length: 2000 }, (_, i) =>
      [0, 5].map((version) => ({
        ...RECORD.answers[0]!,
        example: `q${i}`,
        version,
        question: long,
        reference_texts: [long, long, long],
        answer: long,
        score: (i + version) % 2,
      }))).flat(),
  });
  const size = new TextEncoder().encode(page).length;
  ok(size < 2_000_000, `${size} bytes`);
  equal(parsed(page).querySelectorAll("#question-table tbody tr").length, 2000);
});

Deno.test("htmlReport() draws and lists 300 of 6,000 trials, the line to the best one among them, and links to no other", () => {
  const trials = Array.from({ length: 6000 }, (_, i) =>
    trial(i, {
      iteration: Math.ceil(i / 12),
      parent: i === 0 ? null : Math.max(0, i - 1 - i % 400),
      validation: i % 97 / 100,
      predicted: 0.5,
      validation_low: 0,
      validation_high: 1,
      questions_seen: 10,
      gain: i % 7 / 10,
      accepted: i % 500 === 0,
      calls: 5 * i,
    }));
  const edits = [5, 5999].map((version) => ({ ...LEARNED.edits[0]!, version }));
  const page = rendered({ before: 0, after: 5500 }, { trials, learned: { ...LEARNED, edits } });
  ok(page.length < 1_000_000, `${page.length} bytes`);
  const document = parsed(page);
  const listed = new Set([...document.querySelectorAll("#trials tbody tr")].map(({ id }) => id));
  equal(listed.size, 300);
  for (
    const { index } of [
      ...ancestry(trials),
      ...trials.filter(({ accepted }) => accepted),
      trials.at(-1)!,
    ]
  ) {
    ok(listed.has(`trial-${index}`), `${index} is missing`);
  }
  for (const a of document.querySelectorAll("a")) {
    ok(document.getElementById(a.getAttribute("href")!.slice(1)), `${a.getAttribute("href")} leads nowhere`);
  }
  for (const id of ["lineage", "trials-section"]) {
    match(words(document.getElementById(id)), /300 of 6,000 trials: .*deno task export has all/);
  }
  deepEqual(
    [...document.querySelectorAll("#edits tbody th")].map((
      th,
    ) => [words(th), th.querySelector("a") !== null]),
    [["#5", false], ["#5999", true]],
  );
  for (const svg of document.querySelectorAll("#lineage svg")) {
    ok(Number(svg.getAttribute("height")) < 3_000, svg.getAttribute("height")!);
  }
  match(words(document.querySelector("#operators")), /demonstrate5,999/); // of all
});

/** `record` with every text that is not one of a few fixed words replaced. */
function filled<Value>(value: Value, text: string): Value {
  const FIXED = ["id", "kind", "status", "stop_reason", "test", "split", "role"];
  if (Array.isArray(value)) return value.map((item) => filled(item, text)) as Value;
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map((
      [key, item],
    ) => [key, typeof item === "string" && !FIXED.includes(key) ? text : filled(item, text)]),
  ) as Value;
}

/** How many elements of each kind a page has. */
const census = (document: Document): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { tagName } of document.querySelectorAll("*")) {
    counts.set(tagName, (counts.get(tagName) ?? 0) + 1);
  }
  return counts;
};

const OWN = parsed(htmlReport(RECORD)).querySelector("script")!.textContent;

for (const [i, payload] of HOSTILE.entries()) {
  Deno.test(`htmlReport() shows hostile text as text: ${i + 1}, ${JSON.stringify(visible(payload).slice(0, 60))}`, () => {
    const hostile = (text: string) => {
      const record = filled({ ...RECORD, trials: PREDICTED, learned: LEARNED }, text);
      return htmlReport({
        ...record,
        trials: record.trials.map((row) => ({ ...row, bias: { [text]: -2.1 } })),
        experiment: {
          ...record.experiment,
          status: "failed",
          error: text,
          config: { [text]: text, dataset: text },
        },
      });
    };
    const page = hostile(payload);
    const document = parsed(page);
    // The same page with harmless letters of the same weight has the same elements: none is made from the payload.
    const harmless = parsed(hostile("x".repeat(new TextEncoder().encode(escaped(visible(payload))).length)));
    deepEqual(census(document), census(harmless));

    deepEqual([...document.querySelectorAll("script")].map((s) => s.textContent), [OWN]);
    for (const element of document.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        ok(!name.startsWith("on"), `${element.tagName} has ${name}`);
        ok(!/^\s*javascript:/i.test(value) || !["href", "src", "action"].includes(name), `${name}=${value}`);
      }
    }
    for (const a of document.querySelectorAll("[href]")) match(a.getAttribute("href")!, /^(#|data:,$)/);
    const shown = visible(payload);
    const text = document.querySelector("#question-table")!.textContent!;
    ok(text.includes(payload.length < 1000 ? shown : shown.slice(0, 100)), text.slice(0, 300));
    if (payload.length > 1_000_000) match(text, /\([\d,]+ characters\)/);
    // deno-lint-ignore no-control-regex
    ok(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\p{Cs}]/u.test(page));
  });
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
