/**
 * Whether a Compose file or a Kubernetes manifest is one: by the Compose Specification's own schema, and by those made of
 * Kubernetes' OpenAPI description in their strict form, which refuses a key that is not known.
 *
 * @module
 */
import { Ajv2020, type ValidateFunction } from "npm:ajv@8.20.0/dist/2020.js";
import { parseAllDocuments } from "npm:yaml@2.9.1";
import { ROOT } from "../flows/setting.ts";
import { ensurePython, sitePackages } from "../lib/python/mod.ts";

/** A mapping as YAML has it. */
// deno-lint-ignore no-explicit-any
export type Mapping = Record<string, any>;

/** The documents of a YAML text, `<<` resolved. Throws on what is no YAML, and on a key that is there twice. */
export function documents(text: string): Mapping[] {
  const parsed = parseAllDocuments(text, { merge: true });
  return parsed.map((document) => {
    for (const error of document.errors) throw error;
    return document.toJS();
  });
}

/** What is wrong with it, a line each; nothing when all is well. */
export type Validate = (document: Mapping) => Promise<string[]>;

/** The schemas, out of the wheels of requirements/deploy.txt. */
export async function schemas(log: (line: string) => void): Promise<{
  readonly compose: Validate;
  /** Of a version such as `1.37.0`. */
  readonly kubernetes: (version: string) => Validate;
}> {
  await ensurePython({ root: ROOT, group: "deploy", log });
  const [folder] = await sitePackages(`${ROOT}/.venv`);
  const json = async (path: string) => JSON.parse(await Deno.readTextFile(`${folder}/${path}`));
  // Their formats are words of their own, such as "duration"; `null` beside a type stands in both for "left out".
  const make = () => new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  const compose = make().compile(await json("check_jsonschema/builtin_schemas/vendor/compose-spec.json"));
  return {
    compose: (document) => Promise.resolve(problems(compose, document)),
    kubernetes(version) {
      const of = (name: string) =>
        json(`kubernetes_validate/kubernetes-json-schema/v${version}-local-strict/${name}.json`);
      const compiled = new Map<string, ValidateFunction>();
      const definitions = of("_definitions");
      return async (document) => {
        const { apiVersion = "", kind = "" } = document;
        const name = [kind, ...apiVersion.replace(/\.[\w.]+(?=\/)/, "").split("/")].join("-").toLowerCase();
        let validate = compiled.get(name);
        if (!validate) {
          const schema = await of(name).catch(() => undefined);
          if (!schema) return [`Kubernetes ${version} has no ${kind} of ${apiVersion}`];
          const ajv = make().addSchema(await definitions, "/api/_definitions.json");
          compiled.set(name, validate = ajv.compile(schema));
        }
        return problems(validate, document);
      };
    },
  };
}

function problems(validate: ValidateFunction, document: Mapping): string[] {
  if (validate(document)) return [];
  return validate.errors!.map(({ instancePath, message, params }) =>
    `${instancePath || "/"} ${message} ${JSON.stringify(params)}`
  );
}
