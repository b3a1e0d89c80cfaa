import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import { type Finish, ProviderError, type Role } from "../llm/mod.ts";
import { silenceOf } from "./silence.ts";

const USAGE = { promptTokens: 9, completionTokens: 2 };

Deno.test("silenceOf() tells who was often cut off, and says no less of who said nothing", () => {
  const names = { primary: "openai:m", optimizer: "openai:large", grader: "openai:large" };
  const heard = (
    role: Role,
    replies: [text: string, finish: Finish][],
    called: Record<string, string> = names,
  ) => {
    const silence = silenceOf(called);
    for (const [text, finish] of replies) silence.heard(role, { text, finish, usage: USAGE }, 256);
    return silence.told();
  };
  const whole = (n: number) => Array.from({ length: n }, (): [string, Finish] => ["odd", "stop"]);
  const cut = (n: number) => Array.from({ length: n }, (): [string, Finish] => ["First, let us", "length"]);
  const more = "tokens: where it is to say more, begin anew with";
  const rows: [role: Role, replies: [string, Finish][], lines: string[], called?: Record<string, string>][] =
    [
      ["primary", [...whole(18), ...cut(2)], []],
      ["primary", [...whole(17), ...cut(3)], [
        `openai:m was cut off in 3 of 20 answers, after 256 ${more} --answer-tokens 1024`,
      ]],
      ["optimizer", cut(2), [
        `openai:large was cut off in 2 of 2 proposals, after 256 ${more} --optimizer-tokens 1024`,
      ]],
      ["primary", cut(20), [], { primary: "local" }],
      ["grader", cut(20), []],
      ["primary", [["", "length"], ...cut(1)], [
        "openai:m said nothing in 1 of 2 answers: its 256 tokens ran out first (thinking takes them, too): " +
        "begin anew with --answer-tokens 2048",
        `openai:m was cut off in 1 of 2 answers, after 256 ${more} --answer-tokens 1024`,
      ]],
    ];
  for (const [role, replies, lines, called] of rows) deepEqual(heard(role, replies, called), lines);
});

Deno.test("silenceOf() says where more is booked than was taken, as tokens were not told", () => {
  const told = (role: Role, uncounted: number) => {
    const silence = silenceOf({ primary: "openai:m", optimizer: "openai:large" });
    for (let n = 0; n < 20; n++) {
      silence.heard(role, { text: "odd", finish: "stop", usage: n < uncounted ? null : USAGE }, 256);
    }
    return silence.told();
  };
  const why = "the most that each can have taken is booked, so that caps hold; they took less";
  deepEqual(told("primary", 0), []);
  deepEqual(told("primary", 2), []);
  deepEqual(told("primary", 3), [`openai:m did not tell the tokens of 3 of 20 answers: ${why}`]);
  deepEqual(told("optimizer", 20), [`openai:large did not tell the tokens of 20 of 20 proposals: ${why}`]);
});

Deno.test("silenceOf() requires one reply where requests are refused, and waits for those that may come yet", () => {
  const refused = new ProviderError("no such model", { status: 400 });
  const busy = new ProviderError("busy", { status: 503 });
  const reply = { text: "odd", finish: "stop", usage: USAGE } as const;
  const rows: [replies: (typeof reply | ProviderError)[], fails: boolean][] = [
    [[refused, refused, refused], true],
    [[refused, refused, busy, refused], true],
    [[refused, refused], false],
    [[refused, refused, refused, reply], false],
    [[busy, busy, busy], false],
    [[], false],
  ];
  for (const role of ["primary", "grader"] as const) {
    for (const [replies, fails] of rows) {
      const silence = silenceOf({ primary: "openai:m", grader: "openai:m" });
      for (const each of replies) silence.heard(role, each, 256);
      if (fails) {
        throws(() => silence.requireReplies(3), /^ProviderError: .* refused each of 3 .*: no such model$/);
      } else silence.requireReplies(3);
    }
  }
  const silence = silenceOf({ optimizer: "openai:m" }); // the search goes on without one
  for (let n = 0; n < 10; n++) silence.heard("optimizer", refused, 256);
  silence.requireReplies(3);
});
