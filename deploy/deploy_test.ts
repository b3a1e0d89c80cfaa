/**
 * What is deployed, without a container engine: each file by the schema of its kind, and what it says by what is there: the
 * tasks, options, variables, versions, files and secrets that it names.
 */
import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { dirname } from "node:path";
import { schema as evaluate } from "../flows/evaluate.ts";
import { schema as optimize } from "../flows/optimize.ts";
import { ROOT } from "../flows/setting.ts";
import { run } from "../flows/testing.ts";
import project from "../deno.json" with { type: "json" };
import { ensurePython } from "../lib/python/mod.ts";
import { documents, type Mapping, schemas } from "./schemas.ts";

const read = (path: string): Promise<string> => Deno.readTextFile(`${ROOT}/${path}`);
const list = async (folder: string): Promise<string[]> =>
  (await Array.fromAsync(Deno.readDir(`${ROOT}/${folder}`), ({ name }) => name)).sort();

const CONTAINERFILE = await read("deploy/Containerfile");
const COMPOSE = await read("deploy/compose.yaml");
const MANIFESTS = (await list("deploy/kubernetes")).filter((name) =>
  name.endsWith(".yaml") && name !== "kustomization.yaml"
);
const [compose] = documents(COMPOSE) as [Mapping];
const [kustomization] = documents(await read("deploy/kubernetes/kustomization.yaml")) as [Mapping];
const manifests: Mapping[] = [];
for (const name of MANIFESTS) manifests.push(...documents(await read(`deploy/kubernetes/${name}`)));

const services: [string, Mapping][] = Object.entries(compose.services);
const kinds = (kind: string): Mapping[] => manifests.filter((one) => one.kind === kind);
/** What runs pods, with the one container that each has. */
const workloads = manifests.filter(({ kind }) => ["Deployment", "Job"].includes(kind)).map((manifest) => {
  const { spec: pod, metadata } = manifest.spec.template;
  return {
    name: manifest.metadata.name,
    manifest,
    pod,
    labels: metadata?.labels,
    container: pod.containers[0],
  };
});

// ---- by their schemas ----

const VERSIONS = ["1.34.0", "1.37.0"];
const valid = await schemas(console.error);
const kubernetes = VERSIONS.map(valid.kubernetes);

Deno.test("compose.yaml is what the Compose Specification describes", async () => {
  deepEqual(await valid.compose(compose), []);
});

Deno.test("the place of an API server is a service as soon as it has a command", async () => {
  const api = { ...compose["x-api"], command: ["deno", "task", "api"] };
  deepEqual(await valid.compose({ ...compose, services: { ...compose.services, api } }), []);
  deepEqual(
    Object.keys(project.tasks).filter((task) => /^(api|serve)$/.test(task)),
    [],
    "move x-api into services",
  );
});

for (const [i, version] of VERSIONS.entries()) {
  Deno.test(`the manifests are what Kubernetes ${version} describes`, async () => {
    ok(manifests.length >= 9);
    for (const one of manifests) deepEqual(await kubernetes[i]!(one), [], `${one.kind} ${one.metadata.name}`);
  });
}

/** The text to be found in a file, what is put in its place, and what the schema says of it. */
const wrong: [file: string, from: string | RegExp, to: string, said: RegExp][] = [
  ["compose.yaml", "stop_grace_period: 30s", "stop_grace_perod: 30s", /additional|unevaluated/],
  ["compose.yaml", "condition: service_healthy", "condition: service_helthy", /allowed values/],
  ["compose.yaml", /^services:/m, "servces:", /additional|unevaluated/],
  ["compose.yaml", "read_only: true", "read_only: [true]", /must be/],
  ["compose.yaml", "memory: 2g", "memory: [2g]", /must be/],
  [
    "kubernetes/worker.yaml",
    "terminationGracePeriodSeconds: 45",
    "terminationGracePeriodSecond: 45",
    /additional/,
  ],
  [
    "kubernetes/worker.yaml",
    "terminationGracePeriodSeconds: 45",
    'terminationGracePeriodSeconds: "45"',
    /integer/,
  ],
  ["kubernetes/worker.yaml", "          image: quintet", "          imagee: quintet", /additional/],
  ["kubernetes/worker.yaml", "averageUtilization: 70", "averageUtilisation: 70", /additional/],
  ["kubernetes/worker.yaml", "maxUnavailable: 1\n  selector", "maxUnavailabl: 1\n  selector", /additional/],
  ["kubernetes/worker.yaml", "autoscaling/v2", "autoscaling/v3", /has no HorizontalPodAutoscaler/],
  ["kubernetes/migrate.yaml", "backoffLimit: 6", "backoffLimit: six", /integer/],
  ["kubernetes/migrate.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true", /additional/],
  ["kubernetes/prefect.yaml", "path: /api/ready", "pathh: /api/ready", /additional/],
  ["kubernetes/network.yaml", "policyTypes: [Ingress]", "policyTypes: Ingress", /array/],
];
for (const [file, from, to, said] of wrong) {
  Deno.test(`deploy/${file} is refused with "${to.trim().split("\n")[0]}"`, async () => {
    const text = await read(`deploy/${file}`);
    const changed = text.replace(from, to);
    ok(changed !== text, `there is no ${from}`);
    for (const validate of file === "compose.yaml" ? [valid.compose] : kubernetes) {
      const problems = (await Promise.all(documents(changed).map(validate))).flat();
      match(problems.join("\n"), said);
    }
  });
}

// ---- what they say ----

/** Every command of Quintet in these files, with its arguments. */
const commands: string[][] = [
  ...services.map(([, { command }]) => command),
  ...workloads.map(({ container }) => container.args),
  JSON.parse(/^CMD (.*)$/m.exec(CONTAINERFILE)![1]!),
].filter((command) => Array.isArray(command));

Deno.test("each command is there, and takes the arguments it is given", async () => {
  const python = await ensurePython({ root: ROOT, group: "prefect" });
  equal(commands.length, services.length - 1 + workloads.length + 1, "all but PostgreSQL have one");
  for (const text of new Set(commands.map((command) => JSON.stringify(command)))) {
    const [program, word, name, ...args]: string[] = JSON.parse(text);
    let help: string, options: string[];
    if (program === "deno") {
      deepEqual([word, name! in project.tasks], ["task", true], text);
      help = (await run(name!.replaceAll("-", "_"), ["--help"])).stdout;
      options = args;
    } else {
      deepEqual([program, word, name, args[0], ...args.slice(1, 3)], [
        ...[".venv/bin/python", "-I", "-m", "prefect", "server", "start"],
      ]);
      options = args.slice(3);
      const { stdout } = await new Deno.Command(python, {
        args: ["-I", "-m", ...args.slice(0, 3), "--help"],
        env: { COLUMNS: "200", NO_COLOR: "1" },
      }).output();
      help = new TextDecoder().decode(stdout);
    }
    for (const option of options.filter((one) => one.startsWith("--"))) {
      match(help, new RegExp(`${option}\\b`), text);
    }
  }
});

/** Variables by where they are set, with their values; undefined for those that come from elsewhere. */
const variables: [where: string, name: string, value: string | undefined][] = [
  ...services.flatMap(([service, { environment = {} }]) =>
    Object.entries(environment).map(([name, value]) =>
      [`compose: ${service}`, name, value as string] as const
    )
  ),
  ...workloads.flatMap(({ name: workload, container }) =>
    (container.env as Mapping[]).map(({ name, value }) => [`kubernetes: ${workload}`, name, value] as const)
  ),
  ...[...CONTAINERFILE.matchAll(/^(?:ENV | {2})([A-Z_]+)=(\S+)/gm)].map(([, name, value]) =>
    ["Containerfile", name!, value] as const
  ),
].map((one) => [...one]);

const ENTRYPOINT = await read("deploy/entrypoint.sh");
/** Read from files by entrypoint.sh, beside the keys of other hosts than OpenAI's. */
const FROM_FILES = /for name in ([^$;]*)/.exec(ENTRYPOINT)![1]!.trim().split(/[\s\\]+/);

Deno.test("each variable is read by what it is given to", async () => {
  const python = await ensurePython({ root: ROOT, group: "prefect" });
  const home = await Deno.makeTempDir(); // Prefect makes its folder as it is loaded
  const { stdout } = await new Deno.Command(python, {
    args: ["-I", "-c", SETTINGS],
    env: { PREFECT_HOME: home },
  }).output();
  await Deno.remove(home, { recursive: true });
  const prefect: string[] = JSON.parse(new TextDecoder().decode(stdout));
  ok(prefect.length > 100);
  const deno = new TextDecoder().decode(
    (await new Deno.Command(Deno.execPath(), { args: ["--help"] }).output()).stdout,
  );
  const sources =
    (await Promise.all(["flows/setting.ts", "flows/registration.ts", "lib/llm/keys.ts"].map(read))).join(
      "\n",
    );
  const options = Object.keys({ ...optimize.shape, ...evaluate.shape }).map((name) =>
    `QUINTET_${name.toUpperCase()}`
  );
  /** Of PostgreSQL's image, as its page describes them. */
  const image = ["POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"];
  const known = (name: string): boolean =>
    new RegExp(`\\benv\\.${name}\\b|"${name}"`).test(sources) ||
    [...options, ...prefect, ...image].includes(name) ||
    name === "QUINTET_HOME" || name === "DO_NOT_TRACK" || new RegExp(`^\\s*${name}\\b`, "m").test(deno) ||
    (name.endsWith("_FILE") && FROM_FILES.includes(name.slice(0, -5)) && known(name.slice(0, -5)));
  deepEqual(variables.filter(([, name]) => !known(name)).map(([where, name]) => `${where}: ${name}`), []);
  deepEqual(FROM_FILES.filter((name) => !known(name)), []);
  ok(!known("QUINTET_PRIMRY") && !known("PREFECT_API_URI") && !known("OPENAI_KEY_FILE"));
});

const SETTINGS = `
import json
from prefect.settings import Settings
from prefect.settings.legacy import _get_settings_fields
print(json.dumps(sorted(_get_settings_fields(Settings))))`;

Deno.test("secrets come from secrets, and none is in the repository", async () => {
  const ignored = await read(".gitignore");
  for (const path of ["deploy/secrets/", "deploy/kubernetes/secrets.env"]) {
    ok(ignored.split("\n").includes(path), path);
  }
  const secret = /PASSWORD|KEY|AUTH|DATABASE_URL|CONNECTION/;
  for (const [name, { environment = {}, secrets = [] }] of services) {
    const used = Object.entries(environment).filter(([variable]) => secret.test(variable));
    deepEqual(
      used.map(([, value]) => value).sort(),
      secrets.map((one: string) => `/run/secrets/${one}`).sort(),
      name,
    );
    ok(used.every(([variable]) => variable.endsWith("_FILE")), name);
    for (const one of secrets) equal(compose.secrets[one].file, `secrets/${one}`);
  }
  const example = await read("deploy/kubernetes/secrets.env.example");
  const keys = [...example.matchAll(/^([A-Z_]+)=(.*)$/gm)];
  for (const [, , value] of keys) match(value!, /^$|:PASSWORD(@|$)/);
  for (const { name, container } of workloads) {
    for (
      const { name: variable, value, valueFrom } of container.env.filter((one: Mapping) =>
        secret.test(one.name)
      )
    ) {
      equal(value, undefined, `${name}: ${variable}`);
      const { secretKeyRef } = valueFrom;
      equal(secretKeyRef.name, kustomization.secretGenerator[0].name);
      ok(keys.some(([, key]) => key === secretKeyRef.key), secretKeyRef.key);
    }
  }
});

Deno.test("entrypoint.sh makes variables of files, and becomes the command", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const url = 'postgresql://ada:it\'s $HOME `x` "y"\\@/db';
    await Deno.writeTextFile(`${folder}/url`, `${url}\n`);
    await Deno.writeTextFile(`${folder}/empty`, "");
    const start = async (env: Record<string, string>, ...command: string[]) => {
      const { code, stdout } = await new Deno.Command("sh", {
        args: [`${ROOT}/deploy/entrypoint.sh`, ...command],
        ...{ clearEnv: true, env: { PATH: Deno.env.get("PATH")!, ...env }, stderr: "null" },
      }).output();
      return { code, said: new TextDecoder().decode(stdout) };
    };
    const print = [
      "sh",
      "-c",
      'printf "%s|" "$DATABASE_URL" "${OPENAI_API_KEY-none}" "${DATABASE_URL_FILE-none}"; exit 7',
    ];
    deepEqual(
      await start({ DATABASE_URL_FILE: `${folder}/url`, OPENAI_API_KEY_FILE: `${folder}/empty` }, ...print),
      { code: 7, said: `${url}|none|none|` },
    );
    const key = { OPENAI_API_KEY_GPU_BOX_FILE: `${folder}/url`, OPENAI_API_KEY: "own" };
    deepEqual(await start(key, "sh", "-c", 'printf "%s|" "$OPENAI_API_KEY_GPU_BOX" "$OPENAI_API_KEY"'), {
      code: 0,
      said: `${url}|own|`,
    });
    deepEqual(await start({ DATABASE_URL: "as it is" }, ...print), { code: 7, said: "as it is|none|none|" });
    const { code, said } = await start({ DATABASE_URL_FILE: `${folder}/none` }, ...print);
    ok(code !== 0 && said === "", "without its secret nothing is started");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("versions are those of the project, and every image has one", async () => {
  const [, deno] = /\bdeno@([\d.]+)/.exec(await read(".ci/run"))!;
  const [, postgres] = /PACKAGE_VERSION = "(\d+\.\d+)/.exec(await read("lib/store/programs.ts"))!;
  const from = [...CONTAINERFILE.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image!);
  equal(from[0], `denoland/deno:bin-${deno}`);
  const images = services.map(([, { image }]) => image as string);
  ok(images.includes(`postgres:${postgres}-bookworm`), "the version that is embedded");
  equal(compose["x-quintet"].image, `quintet:${project.version}`);
  deepEqual(kustomization.images.map(({ name, newTag }: Mapping) => `${name}:${newTag}`), [
    `quintet:${project.version}`,
  ]);
  for (const image of [...from, ...images]) match(image, /^[\w./-]+:(bin-)?\d+\.\d+[\w.-]*$/);
  for (const { container } of workloads) {
    equal(container.image, "quintet", "of which kustomization.yaml has the version");
  }
  ok(CONTAINERFILE.includes(`--tag quintet:${project.version} `));
});

Deno.test("the image has what it copies, what Debian gives it, and the wheels it names", async () => {
  const copied = [...CONTAINERFILE.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, paths]) =>
    paths!.split(" ")
  );
  const needed = [
    "deno.json",
    "deno.lock",
    "lib",
    "flows",
    "sql",
    "requirements",
    "data/tasks",
    "data/prices.json",
  ];
  deepEqual(needed.filter((path) => !copied.includes(path)), []);
  const sent = [...(await read("deploy/Containerfile.dockerignore")).matchAll(/^!(.*)$/gm)].map(([, path]) =>
    path!
  );
  for (const path of copied) {
    await Deno.stat(`${ROOT}/${path}`);
    ok(sent.some((one) => path === one || path.startsWith(`${one}/`)), `${path} is not sent to the builder`);
  }
  const debian = /apt-get install (.*) \\$/m.exec(CONTAINERFILE)![1]!.split(" ");
  for (const name of ["libgomp1", "python3", "python3-venv", "ca-certificates", "tini"]) {
    ok(debian.includes(name), name);
  }
  const [, groups] = /^ARG GROUPS="(.*)"$/m.exec(CONTAINERFILE)!;
  for (const group of groups!.split(" ")) await Deno.stat(`${ROOT}/requirements/${group}.txt`);
  match(CONTAINERFILE, /^USER 10001:10001$/m);
  match(CONTAINERFILE, /^ENTRYPOINT \["tini", "--", "\/quintet\/deploy\/entrypoint\.sh"\]$/m);
  equal((await Deno.stat(`${ROOT}/deploy/entrypoint.sh`)).mode! & 0o111, 0o111);
});

Deno.test("the image's last step finds all that it wants among what is copied", async () => {
  await using folder = {
    path: await Deno.makeTempDir({ prefix: "quintet-image-" }),
    async [Symbol.asyncDispose]() {
      await Deno.remove(this.path, { recursive: true });
    },
  };
  for (const [, paths, to] of CONTAINERFILE.matchAll(/^COPY (?!--from)(.*) (\S+)$/gm)) {
    for (const path of paths!.split(" ")) {
      await copy(`${ROOT}/${path}`, `${folder.path}/${to === "./" ? path : to}`);
    }
  }
  const steps = [...CONTAINERFILE.matchAll(/^RUN ((?:.*\\\n)*.*)$/gm)].map(([, step]) => step!);
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", steps.at(-1)!],
    cwd: folder.path,
    env: { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` },
  }).output();
  ok(success, new TextDecoder().decode(stderr));
});

/** A file, or a folder with all that is in it. */
async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(dirname(to), { recursive: true });
  if ((await Deno.stat(from)).isFile) return await Deno.copyFile(from, to);
  for await (const { name } of Deno.readDir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
}

Deno.test("compose.yaml migrates before a worker runs, and gives a run time to end", () => {
  const { postgres, migrate, prefect, deploy, worker } = compose.services;
  const after = ({ depends_on }: Mapping) =>
    Object.fromEntries(Object.entries(depends_on).map(([name, one]) => [name, (one as Mapping).condition]));
  deepEqual(after(migrate), { postgres: "service_healthy" });
  deepEqual(after(prefect), { postgres: "service_healthy" });
  deepEqual(after(deploy), { prefect: "service_healthy" });
  const done = "service_completed_successfully";
  deepEqual(after(worker), { migrate: done, deploy: done });
  ok(postgres.healthcheck && prefect.healthcheck);
  equal(worker.container_name, undefined, "it can be scaled");
  equal(worker.ports, undefined, "it can be scaled");
  ok(parseInt(worker.stop_grace_period) >= 30);
  for (const [name, { read_only, cap_drop }] of services.filter(([name]) => name !== "postgres")) {
    deepEqual([read_only, cap_drop], [true, ["ALL"]], name);
  }
});

Deno.test("kustomization.yaml takes every manifest, and what belongs together finds itself", () => {
  deepEqual([...kustomization.resources].sort(), MANIFESTS);
  const pods = (selector: Mapping) =>
    workloads.filter(({ labels = {} }) =>
      Object.entries(selector).every(([name, value]) => labels[name] === value)
    );
  for (const { manifest, labels } of workloads.filter(({ manifest }) => manifest.kind === "Deployment")) {
    deepEqual(manifest.spec.selector.matchLabels, labels);
  }
  for (const { spec } of [...kinds("PodDisruptionBudget"), ...kinds("NetworkPolicy")]) {
    equal(pods((spec.selector ?? spec.podSelector).matchLabels).length, 1);
  }
  for (const { spec: { scaleTargetRef: { kind, name } } } of kinds("HorizontalPodAutoscaler")) {
    ok(kinds(kind).some(({ metadata }) => metadata.name === name));
  }
  for (const { metadata, spec } of kinds("Service")) {
    const [pod] = pods(spec.selector);
    const { name, containerPort } = pod!.container.ports[0];
    deepEqual([spec.ports[0].targetPort, spec.ports[0].port], [name, containerPort]);
    for (const [, variable, value] of variables) {
      if (variable === "PREFECT_API_URL") equal(value, `http://${metadata.name}:${containerPort}/api`);
    }
  }
});

Deno.test("each pod runs as an ordinary user, within limits, and writes only where it may", () => {
  for (const { name, pod, container } of workloads) {
    equal(pod.containers.length, 1);
    deepEqual([pod.securityContext.runAsNonRoot, pod.securityContext.runAsUser], [true, 10001], name);
    deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    }, name);
    ok(
      container.resources.requests.cpu && container.resources.requests.memory &&
        container.resources.limits.memory,
      name,
    );
    const [, home] = variables.map(([, variable, value]) => [variable, value]).find(([one]) =>
      one === "QUINTET_HOME"
    )!;
    deepEqual(container.volumeMounts.map(({ mountPath }: Mapping) => mountPath), [home, "/tmp"], name);
    deepEqual(
      pod.volumes.map(({ name }: Mapping) => name),
      container.volumeMounts.map(({ name }: Mapping) => name),
    );
    ok(pod.volumes.every(({ emptyDir }: Mapping) => emptyDir), name);
  }
  const worker = workloads.find(({ name }) => name === "worker")!;
  ok(worker.pod.terminationGracePeriodSeconds >= 30);
});

Deno.test("the pages of deploy/ name tasks and files that are there", async () => {
  for (const name of (await list("deploy")).filter((name) => name.endsWith(".md"))) {
    const text = await read(`deploy/${name}`);
    for (const [, task] of text.matchAll(/\bdeno task ([a-z][a-z-]*)/g)) {
      ok(task! in project.tasks, `${name}: ${task}`);
    }
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      await Deno.stat(`${ROOT}/deploy/${target}`);
    }
  }
});
