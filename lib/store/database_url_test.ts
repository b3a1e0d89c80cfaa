import { deepStrictEqual as deepEqual, ok, throws } from "node:assert/strict";
import { DatabaseError } from "./database_error.ts";
import { type DatabaseTarget, parseDatabaseUrl } from "./database_url.ts";

const cases: [string, Partial<DatabaseTarget>][] = [
  ["postgres://ada@db.example:6000/prompts", {
    host: "db.example",
    port: 6000,
    user: "ada",
    password: undefined,
    database: "prompts",
    sslMode: "prefer",
    description: "postgresql://ada@db.example:6000/prompts",
  }],
  ["postgresql://ada:s%23cr%2Ft%40%3A%25@db/prompts", { password: "s#cr/t@:%", port: 5432 }],
  ["postgresql://ada:a:b@db/prompts", { user: "ada", password: "a:b" }],
  ["postgresql://a%40da:x@db", { user: "a@da", database: "a@da" }],
  ["postgresql://ada@[::1]:7000/p", {
    host: "::1",
    port: 7000,
    description: "postgresql://ada@[::1]:7000/p",
  }],
  ["postgresql://ada:x@/p?host=/cloudsql/pr:eu:in", {
    host: "/cloudsql/pr:eu:in",
    sslMode: "disable",
    database: "p",
  }],
  ["postgresql://ada:x@%2Fcloudsql%2Fpr%3Aeu%3Ain/p?application_name=w", {
    host: "/cloudsql/pr:eu:in",
    sslMode: "disable",
    description: "postgresql://ada@/p?host=/cloudsql/pr:eu:in",
  }],
  ["postgresql://ada:x@/p?host=%2Fcloudsql%2Fpr%3Aeu%3Ain", { host: "/cloudsql/pr:eu:in", port: 5432 }],
  ["postgresql:///p?host=/var/run&user=ada&password=x", { host: "/var/run", user: "ada", password: "x" }],
  ["postgresql://ada:x@%2Fvar%2Frun:6543/p", {
    host: "/var/run",
    port: 6543,
    description: "postgresql://ada@/p?host=/var/run",
  }],
  ["postgresql://ada@/p", { host: "localhost" }],
  ["postgresql://ada@db/p%C3%A9?sslmode=verify-full&sslrootcert=/a%20b.pem&sslcert=c&sslkey=k", {
    database: "pé",
    sslMode: "verify-full",
    sslRootCert: "/a b.pem",
    sslCert: "c",
    sslKey: "k",
  }],
  ["postgresql://ada@db/p?sslrootcert=ca.pem", { sslMode: "verify-full" }],
  ["postgresql://ada@db/p?sslmode=require&channel_binding=require", {
    sslMode: "require",
    channelBinding: true,
  }],
  [
    "postgresql://ada@db/p?application_name=a%20b&connect_timeout=3&statement_timeout=1500&pool_size=4&options=-c%20x%3D1",
    {
      applicationName: "a b",
      connectTimeoutMs: 3000,
      statementTimeoutMs: 1500,
      poolSize: 4,
      options: "-c x=1",
    },
  ],
];
for (const [url, expected] of cases) {
  Deno.test(`parseDatabaseUrl() reads ${url}`, () => {
    const target = parseDatabaseUrl(url);
    for (const [name, value] of Object.entries(expected)) {
      deepEqual(target[name as keyof DatabaseTarget], value, name);
    }
  });
}

const CANARY = "canary";
const refused: [string, RegExp][] = [
  ["", /must look like/],
  [`mysql://ada:${CANARY}@db/p`, /must look like/],
  [`ada:${CANARY}@db/p`, /must look like/],
  [`postgresql://ada:${CANARY}#x@db/p`, /percent-encode/],
  [`postgresql://ada:x/${CANARY}@db/p`, /percent-encode/],
  [`postgresql://ada:x?${CANARY}@db/p`, /percent-encode/],
  [`postgresql://ada:100%${CANARY}@db/p`, /password is not percent-encoded/],
  [`postgresql://ada@/p?password=x&${CANARY}=y`, /a parameter that is not known/],
  [`postgresql://ada:${CANARY}@db/p?sslmod=require`, /a parameter "sslmod" that is not known/],
  [`postgresql://ada:${CANARY}@db/p?sslmode=on`, /sslmode is "on"/],
  [`postgresql://ada:${CANARY}@a,b/p`, /several hosts/],
  [`postgresql://:${CANARY}@db/p`, /names no user/],
  [`postgresql://ada:${CANARY}@db/p?pool_size=many`, /pool_size is not a whole number/],
];
for (const [url, message] of refused) {
  Deno.test(`parseDatabaseUrl() refuses ${url || "nothing"} and does not quote the password`, () => {
    throws(() => parseDatabaseUrl(url), (error: Error) => {
      ok(error instanceof DatabaseError);
      ok(message.test(error.message), error.message);
      ok(!Deno.inspect(error).split("\n    at ")[0]!.includes(CANARY), error.message);
      return true;
    });
  });
}
