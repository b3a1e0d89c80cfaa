/**
 * What is deployed: a work pool, deployments with their parameters, limits and schedules, and automations. Deploying again
 * changes what differs, and leaves alone what was not named: schedules, and whatever is not ours.
 *
 * @module
 */
import { type PrefectClient, PrefectError } from "./client.ts";
import { TAG } from "./delivery.ts";

/** A flow that can be run from its deployment, which has the same name. */
export interface Deployed {
  readonly name: string;
  readonly description: string;
  /** Run in `directory` by a worker; a shell is not involved. */
  readonly command: string;
  readonly directory: string;
  /** JSON Schema of its parameters. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Runs at once at most; more wait. */
  readonly limit: number;
  /** Replaces its schedules; [] for none. They stay as they are unless given. */
  readonly schedules?: readonly { readonly cron: string; readonly timezone: string }[] | undefined;
}

/** What becomes of it by itself. */
export interface Rules {
  /** Finished experiments after which the meta-model is trained. */
  readonly retrainAfter: number;
  /** Finished experiments after which the policy is trained. */
  readonly policyAfter: number;
  /** Seconds without a heartbeat after which a run counts as crashed, 30 at least. */
  readonly zombieSeconds: number;
}

/** What was deployed, with Prefect's ids. */
export interface Deployment {
  readonly pool: string;
  readonly deployments: Readonly<Record<string, string>>;
  readonly automations: Readonly<Record<string, string>>;
}

/** Deploys. Throws PrefectError. */
export async function deploy(
  client: PrefectClient,
  { pool, poolLimit, flows, rules }: {
    readonly pool: string;
    /** Runs of the pool at once at most; no limit unless given. */
    readonly poolLimit?: number | undefined;
    readonly flows: readonly Deployed[];
    readonly rules: Rules;
  },
): Promise<Deployment> {
  await deployPool(client, pool, poolLimit);
  const deployments: Record<string, string> = {};
  for (const flow of flows) deployments[flow.name] = await deployFlow(client, pool, flow);
  const automations: Record<string, string> = {};
  for (const automation of automationsOf(rules, deployments)) {
    automations[automation.name] = await deployAutomation(client, automation);
  }
  return { pool, deployments, automations };
}

/** The data, or undefined where Prefect says that there is no such thing. */
async function ifThere<Data>(answer: Promise<Data>): Promise<Data | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof PrefectError && error.status === 404) return undefined;
    throw error;
  }
}

async function deployPool(
  { api, call }: PrefectClient,
  name: string,
  limit: number | undefined,
): Promise<void> {
  const params = { path: { name } };
  const there = await ifThere(call(api.GET("/work_pools/{name}", { params })));
  if (there && there.type !== "process") {
    throw new PrefectError(
      `Cannot use work pool ${name} as it must be of type process: it is ${there.type}`,
      409,
    );
  }
  if (!there) {
    const body = { name, type: "process", base_job_template: await processTemplate({ api, call }) };
    await call(api.POST("/work_pools/", { body })).catch((error) => {
      if (!(error instanceof PrefectError && error.status === 409)) throw error; // another that deploys made it meanwhile
    });
  }
  if (limit !== undefined || !there) {
    await call(api.PATCH("/work_pools/{name}", { params, body: { concurrency_limit: limit ?? null } }));
  }
}

/** What a worker's process can be told: Prefect's own template, which the first worker would fill in only later. */
async function processTemplate(
  { api, call }: Pick<PrefectClient, "api" | "call">,
): Promise<Record<string, unknown>> {
  const workers = await call(api.GET("/collections/views/{view}", {
    params: { path: { view: "aggregate-worker-metadata" } },
  })) as { prefect?: { process?: { default_base_job_configuration?: Record<string, unknown> } } };
  return workers.prefect?.process?.default_base_job_configuration ?? {};
}

async function deployFlow({ api, call }: PrefectClient, pool: string, flow: Deployed): Promise<string> {
  const { name, description, command, directory, parameters, limit, schedules } = flow;
  const { id: flow_id } = await call(api.POST("/flows/", { body: { name, tags: [TAG] } }));
  const options = {
    ...{ description, tags: [TAG], work_pool_name: pool },
    parameter_openapi_schema: { ...parameters },
    enforce_parameter_schema: true,
    job_variables: { command, working_dir: directory },
    concurrency_limit: limit,
    concurrency_options: { collision_strategy: "ENQUEUE" as const },
    ...schedules === undefined ? {} : {
      schedules: schedules.map(({ cron, timezone }, i) => ({
        ...{ active: true, slug: `${TAG}-${i}` },
        schedule: { cron, timezone, day_or: true },
      })),
    },
  };
  const there = await ifThere(call(api.GET("/deployments/name/{flow_name}/{deployment_name}", {
    params: { path: { flow_name: name, deployment_name: name } },
  })));
  if (!there) return (await call(api.POST("/deployments/", { body: { name, flow_id, ...options } }))).id;
  await call(api.PATCH("/deployments/{id}", { params: { path: { id: there.id } }, body: options }));
  return there.id;
}

const OVER = ["Completed", "Failed", "Cancelled", "Crashed"].map((state) => `prefect.flow-run.${state}`);
const HEARTBEAT = "prefect.flow-run.heartbeat";

/** Prefect's description wants a duration as text here, and its check of a duration as text throws. */
const seconds = (value: number) => value as unknown as string;

/** Of our own runs alone: they have our tag, and so have the events about them. */
const OURS = { "prefect.resource.id": [`prefect.tag.${TAG}`], "prefect.resource.role": "tag" };

function automationsOf(
  { retrainAfter, policyAfter, zombieSeconds }: Rules,
  deployments: Readonly<Record<string, string>>,
) {
  const train = (name: string, deployment: string, threshold: number, description: string) => ({
    ...{ name: `${TAG}: ${name}`, description },
    trigger: {
      ...{ type: "event" as const, posture: "Reactive" as const, threshold, within: seconds(30 * 86_400) },
      expect: ["quintet.experiment.finished"],
      match: { "prefect.resource.id": ["quintet.experiment.*"] },
    },
    actions: [{
      type: "run-deployment" as const,
      source: "selected" as const,
      deployment_id: deployments[deployment]!,
    }],
  });
  return [
    train(
      "retrain the meta-model",
      "train-meta-model",
      retrainAfter,
      `After ${retrainAfter} finished experiments`,
    ),
    train("train the policy", "train-policy", policyAfter, `After ${policyAfter} finished experiments`),
    {
      name: `${TAG}: zombies`,
      description: `A run that was not heard of for ${zombieSeconds} s has crashed`,
      trigger: {
        ...{
          type: "event" as const,
          posture: "Proactive" as const,
          threshold: 1,
          within: seconds(zombieSeconds),
        },
        after: [HEARTBEAT],
        expect: [HEARTBEAT, ...OVER],
        match: { "prefect.resource.id": ["prefect.flow-run.*"] },
        match_related: OURS,
        for_each: ["prefect.resource.id"],
      },
      actions: [{
        ...{ type: "change-flow-run-state" as const, state: "CRASHED" as const },
        message: `Not heard of for ${zombieSeconds} s. Started again, it goes on from where it was.`,
      }],
    },
  ];
}

/** Prefect lets many have one name. Of those that two made who deployed at once the oldest stays, whoever looks. */
async function deployAutomation(
  client: PrefectClient,
  automation: ReturnType<typeof automationsOf>[number],
): Promise<string> {
  const { api, call } = client;
  const ids = async () =>
    (await call(api.POST("/automations/filter", {
      body: { automations: { name: { any_: [automation.name] } }, limit: 200 },
    }))).toSorted((a, b) => `${a.created} ${a.id}` < `${b.created} ${b.id}` ? -1 : 1).map(({ id }) => id);
  let there = await ids();
  if (there.length === 0) {
    await call(api.POST("/automations/", { body: automation }));
    there = await ids();
  }
  const [id, ...others] = there;
  for (const id of others) await ifThere(call(api.DELETE("/automations/{id}", { params: { path: { id } } })));
  const put = id !== undefined && await ifThere(
    call(api.PUT("/automations/{id}", { params: { path: { id } }, body: automation })).then(() => true),
  );
  return put ? id : await deployAutomation(client, automation); // an older one was seen only by another
}
