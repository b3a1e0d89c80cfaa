/**
 * The page in a real browser, without a network: the system's Chromium, or one from npm.
 *
 * `deno test -A lib/report -- --screenshots DIR` keeps pictures of the page.
 */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "npm:playwright-core@1.65.1";
import { testDatabase } from "../store/testing.ts";
import type { ExperimentRecord } from "../store/overview.ts";
import { HOSTILE } from "./hostile.ts";
import { htmlComparison } from "./comparison.ts";
import { htmlReport } from "./page.ts";
import { LEARNED, measuredRecord, META_MODEL, MIGRATIONS, PREDICTED, RECORD, trial } from "./testing.ts";
import { visible } from "./text.ts";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const ARGUMENTS = [
  ...[
    "--no-sandbox",
    "--no-zygote",
    "--disable-dev-shm-usage", // a container's is 64 MB, and a chroot may have none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
  ],
  ...["--disable-component-update", "--disable-sync"],
];
const WIDE: BrowserContextOptions = { viewport: { width: 1280, height: 800 }, colorScheme: "light" };

const screenshots = Deno.args.includes("--screenshots")
  ? Deno.args[Deno.args.indexOf("--screenshots") + 1]
  : undefined;

let browser: Browser;
Deno.test.beforeAll(async () => {
  browser = await chromium.launch({ ...await executable(), args: ARGUMENTS });
});
Deno.test.afterAll(async () => {
  await browser?.close();
  await Deno.remove(fontsConf).catch(() => {});
});

const fontsConf = await Deno.makeTempFile({ prefix: "quintet-", suffix: ".conf" });

/** What to launch: the system's browser, or the one of an npm package with the libraries and fonts that a bare system lacks. */
async function executable(): Promise<{ executablePath: string; env: Record<string, string> }> {
  const env = Deno.env.toObject();
  for (const executablePath of PLACES) {
    const there = await Deno.stat(executablePath).then(({ isFile }) => isFile, () => false);
    if (there) return { executablePath, env };
  }
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", CARRIED], // what is in the lock file every user downloads: this is 70 MB
    env: { AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x" }, // asks for the libraries, too
    stderr: "inherit",
  }).output();
  ok(success, `Cannot test the page as there is no browser at ${PLACES.join(", ")}, nor does npm bring one`);
  const [executablePath = "", libraries = "", fonts = ""] = new TextDecoder().decode(stdout).split("\n");
  // Without any font Chromium ends at the first text. The package's own file knows its fonts under /tmp alone.
  await Deno.writeTextFile(
    fontsConf,
    `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${fonts}</dir><cachedir>${fonts}/cache</cachedir></fontconfig>
`,
  );
  return { executablePath, env: { ...env, LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: fontsConf } };
}

const CARRIED = `
  const { default: chromium } = await import("npm:@sparticuz/chromium@153.0.0");
  console.log(await chromium.executablePath());
  console.log(process.env.LD_LIBRARY_PATH);
  console.log(process.env.FONTCONFIG_PATH);
`;

/** Opens a page from a file, offline; fails on anything the browser complains about, and on any request. */
async function opened(
  html: string,
  options: BrowserContextOptions,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const context = await browser.newContext({ ...options, offline: true });
  try {
    const file = `${folder}/report.html`;
    await Deno.writeTextFile(file, html);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("dialog", (dialog) => complaints.push(`dialog: ${dialog.message()}`));
    page.on(
      "request",
      (request) =>
        request.url().startsWith("file:") || request.url() === "data:," ||
        complaints.push(`request: ${request.url()}`),
    );
    await page.goto(`file://${file}`);
    await use(page);
    equal(await page.evaluate("typeof window.__pwned"), "undefined");
    equal(page.url().split("#")[0], `file://${file}`);
    deepEqual(complaints, []);
  } finally {
    await context.close();
    await Deno.remove(folder, { recursive: true });
  }
}

const browserTest = (name: string, run: () => Promise<void>) =>
  Deno.test({ name, fn: run, sanitizeOps: false, sanitizeResources: false }); // the browser's pipes outlive a test

/** Rows of the table of questions that are shown. */
const shown = (page: Page) => page.locator("#question-table tbody tr:not([hidden])").count();

const shoot = async (page: Page, name: string) => {
  if (screenshots !== undefined) {
    await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true });
  }
};

/** Whether the page is wider than its window, and what of its charts stands outside. */
const WIDER = "document.documentElement.scrollWidth > innerWidth";
const OUTSIDE =
  "[...document.querySelectorAll('svg text')].filter((e) => { const r = e.getBoundingClientRect(); " +
  "return r.width > 0 && (r.left < 0 || r.right > innerWidth); }).map((e) => e.textContent)";

browserTest("the page opens offline without a complaint; search, filter and theme work", async () => {
  await opened(htmlReport(RECORD), WIDE, async (page) => {
    equal(await page.title(), "kinds: No significant improvement");
    equal(await shown(page), 6);
    equal(await page.locator("#found").textContent(), "6 of 6");
    await page.fill("#search", "QUESTION 3");
    equal(await shown(page), 1);
    equal(await page.locator("#found").textContent(), "1 of 6");
    await page.fill("#search", "no such thing");
    equal(await shown(page), 0);
    await page.fill("#search", "");
    await page.selectOption("#outcome", "won");
    equal(await shown(page), 3);

    const paper = () => page.evaluate("getComputedStyle(document.documentElement).backgroundColor");
    const light = await paper();
    await page.click("#theme");
    equal(await page.getAttribute("#theme", "aria-pressed"), "true");
    const dark = await paper();
    ok(dark !== light);
    await page.click("#theme");
    equal(await paper(), light);
  });
  await opened(htmlReport(RECORD), { ...WIDE, colorScheme: "dark" }, async (page) => {
    equal(await page.getAttribute("#theme", "aria-pressed"), "true");
  });
});

browserTest(
  "what was learned and two runs side by side open offline, search by keyboard alone, and print",
  async () => {
    const learned: ExperimentRecord = {
      ...RECORD,
      trials: PREDICTED,
      learned: LEARNED,
      experiment: { ...RECORD.experiment, id: "22222222-2222-4333-8444-555555555555" },
    };
    const better = {
      ...learned,
      answers: RECORD.answers.map((row) => ({ ...row, score: row.version === 5 ? 1 : 0 })),
    };
    const pages = [["learned", htmlReport(learned)], ["compare", htmlComparison(RECORD, better)]] as const;
    for (const [name, html] of pages) {
      await opened(html, WIDE, async (page) => {
        await page.locator("#search").focus();
        await page.keyboard.type("question 3");
        equal(await shown(page), 1);
        for (let i = 0; i < "question 3".length; i++) await page.keyboard.press("Backspace");
        await page.keyboard.press("Tab");
        await page.keyboard.press("ArrowDown"); // the first outcome
        ok(await shown(page) < 6);
        await page.locator("#theme").focus();
        await page.keyboard.press("Enter");
        equal(await page.getAttribute("#theme", "aria-pressed"), "true");
        await page.keyboard.press("Enter");
        const dead =
          "[...document.querySelectorAll('nav a')].filter((a) => !document.querySelector(a.hash)).length";
        equal(await page.evaluate(dead), 0);
        const ids = "[...document.querySelectorAll('[id]')].map((e) => e.id)";
        const all = await page.evaluate(ids) as string[];
        deepEqual(all.filter((id, i) => all.indexOf(id) !== i), []);
        const bytes = await page.pdf({ format: "A4" });
        equal(new TextDecoder().decode(bytes.subarray(0, 5)), "%PDF-");
      });
      for (const [kind, width] of [["wide", 1280], ["narrow", 360]] as const) {
        await opened(html, { ...WIDE, viewport: { width, height: 800 } }, async (page) => {
          equal(await page.evaluate(WIDER), false, `${name} ${kind}`);
          deepEqual(await page.evaluate(OUTSIDE), [], `${name} ${kind}`);
          const [title, button] = [page.locator("header p"), page.locator("#theme")];
          const below = (await button.boundingBox())!.y - (await title.boundingBox())!.y;
          ok(below < 20, `the button is ${below} pixels below the title: ${name} ${kind}`);
          await shoot(page, `${name}_${kind}`);
        });
      }
    }
  },
);

browserTest("the page is whole without script", async () => {
  await opened(htmlReport(RECORD), { ...WIDE, javaScriptEnabled: false }, async (page) => {
    equal(await shown(page), 6);
    equal(await page.locator("#theme").isVisible(), false);
    equal(await page.locator(".controls").isVisible(), false);
  });
});

/** First lines that are written from right to left, and whose question mark at the end stands right of their beginning. */
const WRONG_WAY =
  `[...document.querySelectorAll("main *")].flatMap((e) => [...e.childNodes]).filter((node) => {
  const text = node.nodeType === 3 ? node.data.split("\\n")[0].trimEnd() : "";
  if (!/^[\\u0590-\\u05ff].*\\?$/.test(text)) return false;
  const left = (at) => {
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    return range.getBoundingClientRect().left;
  };
  return left(text.length - 1) > left(0);
}).map((node) => node.parentElement.outerHTML.slice(0, 80))`;

browserTest("what is written from right to left is read so, wherever it stands", async () => {
  const text = "מהי בירת צרפת?";
  const record: ExperimentRecord = {
    ...RECORD,
    experiment: { ...RECORD.experiment, status: "failed", error: text },
    trials: RECORD.trials.map((row) => ({
      ...row,
      system_prompt: text,
      output_prompt: text,
      reason: text,
      metadata: { note: text },
      demos: [{ question: text, answer: text }],
    })),
    answers: RECORD.answers.map((row) => ({
      ...row,
      question: text,
      reference_texts: [text],
      answer: `${text}\n`.repeat(40),
    })),
  };
  await opened(htmlReport(record), WIDE, async (page) => {
    for (const summary of await page.locator("summary").all()) await summary.evaluate("(e) => e.click()");
    ok((await page.locator("main").innerText()).split(text).length > 40);
    deepEqual(await page.evaluate(WRONG_WAY), []);
  });
});

browserTest("the page can be walked by keyboard", async () => {
  await opened(htmlReport(RECORD), WIDE, async (page) => {
    const focus = () =>
      page.evaluate(
        "document.activeElement.id || document.activeElement.getAttribute('href') || document.activeElement.getAttribute('aria-label')",
      );
    const seen = [];
    await page.keyboard.press("Tab");
    equal(await focus(), "#result");
    ok((await page.locator(".skip").boundingBox())!.x >= 0, "the skip link is shown when it has the focus");
    await page.keyboard.press("Enter");
    match(page.url(), /#result$/);
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      seen.push(await focus());
    }
    for (const wanted of ["All trials", "search", "outcome", "Every test question"]) {
      ok(seen.includes(wanted), `${wanted} in ${seen}`);
    }
  });
});

browserTest("forty hostile texts at once execute nothing, make nothing, and can be read", async () => {
  const text = (i: number) => HOSTILE[i % HOSTILE.length]!;
  const answers = HOSTILE.flatMap((payload, i) =>
    [0, 5].map((version) => ({
      ...RECORD.answers[0]!,
      example: `q${i}`,
      version,
      question: payload,
      reference_texts: [payload],
      answer: payload,
    }))
  );
  const record: ExperimentRecord = {
    experiment: {
      ...RECORD.experiment,
      dataset: text(1),
      error: HOSTILE.slice(0, 39).join("\n"),
      config: Object.fromEntries(HOSTILE.map((payload) => [payload, payload])),
    },
    trials: HOSTILE.map((payload, i) =>
      trial(i, {
        ...RECORD.trials[i % 6],
        index: i,
        iteration: i,
        operator: payload,
        reason: payload,
        metadata: { note: payload },
        system_prompt: text(i + 1),
        output_prompt: text(i + 2),
        demos: HOSTILE.map((question) => ({ question, answer: payload })),
        predicted: i / HOSTILE.length,
      })
    ),
    bill: HOSTILE.map((payload) => ({ ...RECORD.bill[0]!, model: payload })),
    metrics: HOSTILE.map((payload, i) => ({
      ...RECORD.metrics[i % 2]!,
      metric: payload,
      signature: payload,
    })),
    answers,
    models: HOSTILE.map((payload) => ({ model: payload, identity: { [payload]: payload } })),
    learned: {
      metaModel: {
        ...META_MODEL,
        id: text(3),
        modelSha256: text(4),
        importance: HOSTILE.map((feature, i) => ({
          feature,
          value: 50 - i,
          sign: i % 3 - 1,
          low: 0,
          high: 1,
        })),
        contexts: HOSTILE.map((dataset) => ({ ...META_MODEL.contexts[0]!, dataset })),
      },
      metaModelUsed: true,
      policy: { ...LEARNED.policy!, id: text(5), onnxSha256: text(6) },
      edits: HOSTILE.map((action, i) => ({
        version: i,
        step: 0,
        action,
        predicted: 0.1,
        measured: i % 2 ? 0.2 : null,
      })),
    },
  };
  const other: ExperimentRecord = {
    ...record,
    experiment: { ...record.experiment, dataset: text(2), config: { [text(7)]: text(8), metric: text(9) } },
  };
  for (const html of [htmlReport(record), htmlComparison(record, other)]) {
    await opened(html, WIDE, async (page) => {
      const table = await page.locator("#question-table").textContent();
      for (const payload of HOSTILE) {
        ok(table!.includes(visible(payload).slice(0, 100)), payload.slice(0, 80));
      }
      equal(await page.locator("script").count(), 1);
      equal(await page.locator("style").count(), 1);
      const made =
        "img, iframe, object, embed, video, audio, form, base, math, foreignObject, animate, image, use, template, [onload], [onerror], [style]";
      equal(await page.locator(made).count(), 0);
      const names =
        "[...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames()).filter((name) => name.startsWith('on'))";
      deepEqual(await page.evaluate(names), []);
      for (const summary of await page.locator("summary").all()) await summary.evaluate("(e) => e.click()");
      await page.mouse.move(640, 400);
      await page.fill("#search", "<script>");
      ok(await shown(page) > 5);
    });
  }
});

browserTest("the page fits a phone, a desk and paper, with nothing cut off", async () => {
  await using db = await testDatabase({ folder: MIGRATIONS });
  const record = await measuredRecord(db);
  const html = htmlReport(record);
  for (
    const [name, width, colorScheme] of [["light", 1280, "light"], ["dark", 1280, "dark"], [
      "mobile",
      360,
      "light",
    ]] as const
  ) {
    await opened(html, { viewport: { width, height: 800 }, colorScheme }, async (page) => {
      equal(await page.evaluate(WIDER), false, name);
      deepEqual(await page.evaluate(OUTSIDE), [], name);
      equal(await page.locator(width < 700 ? ".wide" : ".narrow").first().isVisible(), false);
      await shoot(page, name);
    });
  }
  await opened(html, { viewport: { width: 700, height: 990 }, colorScheme: "dark" }, async (page) => {
    await page.emulateMedia({ media: "print" });
    equal(await page.evaluate(WIDER), false);
    equal(
      await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"),
      "rgb(255, 255, 255)",
    );
    const hidden =
      "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1).length";
    equal(await page.evaluate(hidden), 0);
    const folded =
      "[...document.querySelectorAll('details > dl')].every((e) => e.getBoundingClientRect().height > 0 && e.checkVisibility())";
    equal(await page.evaluate(folded), true);
    const pdf = await page.pdf({
      format: "A4",
      ...screenshots === undefined ? {} : { path: `${screenshots}/print.pdf` },
    });
    equal(new TextDecoder().decode(pdf.subarray(0, 5)), "%PDF-");
  });
});
