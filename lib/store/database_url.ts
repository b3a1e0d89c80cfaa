/**
 * `DATABASE_URL`, read as libpq reads it (PostgreSQL's manual, 32.1.1.2 and 32.1.2).
 *
 * ```ts
 * import { parseDatabaseUrl } from "./database_url.ts";
 * import { strictEqual as equal } from "node:assert/strict";
 *
 * const target = parseDatabaseUrl("postgresql://ada:p%40ss@/prompts?host=/cloudsql/p:r:i&sslmode=disable");
 * equal(target.host, "/cloudsql/p:r:i");
 * equal(target.description, "postgresql://ada@/prompts?host=/cloudsql/p:r:i");
 * ```
 *
 * @module
 */
import { DatabaseError } from "./database_error.ts";

/** How much of TLS is asked for, from nothing to the server's name. */
export type SslMode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full";

/** What a database URL says. */
export interface DatabaseTarget {
  /** A name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly sslMode: SslMode;
  /** Paths of PEM files; `system` as root certificate means those of the runtime. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly channelBinding: boolean;
  /** Command-line options for the server process: `-c search_path=…`. */
  readonly options: string | undefined;
  readonly applicationName: string | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly statementTimeoutMs: number | undefined;
  /** Connections this process may hold. */
  readonly poolSize: number | undefined;
  /** The URL without password and options: fit for a log. */
  readonly description: string;
}

const SSL_MODES: readonly string[] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/**
 * Reads `postgresql://user:password@host:port/database?parameters`. Beside libpq's parameters there are `pool_size` and
 * `statement_timeout` (milliseconds). Without `sslmode` TLS is used where the server offers it, and never on a socket.
 * Throws a DatabaseError that does not quote the URL.
 */
export function parseDatabaseUrl(url: string): DatabaseTarget {
  const match = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^@/?#]*)(?:\/([^@?#]*))?(?:\?([^@#]*))?$/.exec(
    url.trim(),
  );
  if (!match) {
    throw wrong(
      "it must look like postgresql://user:password@host:5432/database",
      "percent-encode : / ? # @ and % in user and password",
    );
  }
  const [, credentials = "", place = "", path = "", query = ""] = match;
  const colon = credentials.indexOf(":");
  const given = new Map<string, string>();
  for (const part of query.split("&").filter((part) => part !== "")) {
    const [name, ...value] = part.split("=");
    if (!PARAMETERS.includes(name!)) {
      const shown = given.has("password") ? "a parameter" : `a parameter "${name}"`; // an & may have split the password
      throw wrong(`it has ${shown} that is not known`, `it may have ${PARAMETERS.join(", ")}`);
    }
    given.set(name!, decode(value.join("="), name!));
  }
  const port = /:(\d*)$/.exec(place);
  const host = given.get("host") || decode(place.slice(0, port?.index), "host").replace(/^\[(.*)\]$/, "$1") ||
    "localhost";
  if (host.includes(",")) throw wrong("it names several hosts", "name one");
  const socket = host.startsWith("/");
  const user = given.get("user") || decode(colon < 0 ? credentials : credentials.slice(0, colon), "user");
  if (user === "") throw wrong("it names no user", "write postgresql://user:password@host:5432/database");
  const database = given.get("dbname") || decode(path, "database") || user;
  const portNumber = whole(given.get("port") || port?.[1] || "5432", "port");
  const sslMode = given.get("sslmode") || (given.has("sslrootcert") ? "verify-full" : "prefer");
  if (!SSL_MODES.includes(sslMode)) {
    throw wrong(`its sslmode is "${sslMode}"`, `take one of ${SSL_MODES.join(", ")}`);
  }
  const seconds = given.get("connect_timeout");
  return {
    host,
    port: portNumber,
    user,
    password: given.get("password") ??
      (colon < 0 ? undefined : decode(credentials.slice(colon + 1), "password")),
    database,
    sslMode: socket ? "disable" : sslMode as SslMode,
    sslRootCert: given.get("sslrootcert"),
    sslCert: given.get("sslcert"),
    sslKey: given.get("sslkey"),
    channelBinding: ["prefer", "require"].includes(given.get("channel_binding") ?? ""),
    options: given.get("options"),
    applicationName: given.get("application_name"),
    connectTimeoutMs: seconds === undefined ? undefined : 1000 * whole(seconds, "connect_timeout"),
    statementTimeoutMs: optional(given, "statement_timeout"),
    poolSize: optional(given, "pool_size"),
    description: socket
      ? `postgresql://${user}@/${database}?host=${host}`
      : `postgresql://${user}@${host.includes(":") ? `[${host}]` : host}:${portNumber}/${database}`,
  };
}

const PARAMETERS = [
  ...["host", "port", "user", "password", "dbname", "application_name", "connect_timeout", "options"],
  ...["sslmode", "sslrootcert", "sslcert", "sslkey", "channel_binding", "pool_size", "statement_timeout"],
];

const wrong = (what: string, mend: string) =>
  new DatabaseError(`Cannot use DATABASE_URL as ${what}: ${mend}`);

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(`its ${part} is not percent-encoded`, "write % as %25");
  }
}

function whole(text: string, name: string): number {
  if (!/^\d{1,9}$/.test(text)) throw wrong(`its ${name} is not a whole number`, "write digits");
  return Number(text);
}

const optional = (given: Map<string, string>, name: string) =>
  given.has(name) ? whole(given.get(name)!, name) : undefined;
