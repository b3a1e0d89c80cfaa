/**
 * A process to be killed: what chaos.ts and the tests start. It reads one line of JSON, a `Task`, acts on it, answers with
 * lines, and ends when its input ends.
 *
 * @module
 */
import { openDatabase } from "./db.ts";
import { DatabaseError } from "./database_error.ts";
import { migrate } from "./migrate.ts";

/** What the process is to do. */
export type Task =
  /** Opens, says `open`, and holds on to it. */
  | { act: "hold"; home: string }
  /** Opens, says `open`, and leaves by Deno.exit without closing. */
  | { act: "exit"; home: string }
  /** Inserts row after row and says each number after its commit; every third in a transaction. */
  | { act: "write"; home?: string; url?: string; writer: string }
  /** Counts the rows over and over and says how many; they must never become fewer. */
  | { act: "read"; home?: string; url?: string }
  /** Migrates, and says which files it applied. */
  | { act: "migrate"; home?: string; url?: string; folder: string };

const input = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).getReader();
let line = "";
while (!line.includes("\n")) line += (await input.read()).value ?? "\n";
const task: Task = JSON.parse(line);
let told = false; // to stop
const ended = input.read().then(() => told = true);

const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
const complain = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));

try {
  const db = await openDatabase({ ...task, notice: complain });
  switch (task.act) {
    case "hold":
      say("open");
      await ended;
      break;
    case "exit":
      say("open");
      Deno.exit(0);
      break;
    case "write":
      for (let n = 1; !told; n++) {
        const insert = "insert into chaos (writer, n, content) values ($1, $2, $3) on conflict do nothing";
        const row = [task.writer, n, `${task.writer}/${n}`.padEnd(200, ".")];
        if (n % 3 > 0) await db.query(insert, row);
        else {
          await db.transaction(async (tx) => {
            await tx.query("select count(*) from chaos where writer = $1 and n > $2 - 10", [task.writer, n]);
            await tx.query(insert, row);
          });
        }
        say(String(n));
      }
      break;
    case "read":
      for (let before = 0; !told;) {
        const { rows: [row] } = await db.query<{ count: number }>("select count(*) from chaos");
        if (row!.count < before) throw new Error(`there were ${before} rows, now there are ${row!.count}`);
        say(String(before = row!.count));
      }
      break;
    case "migrate":
      say(JSON.stringify(await migrate(db, task.folder)));
  }
  await db.close();
} catch (error) {
  complain(String(error));
  Deno.exit(error instanceof DatabaseError ? 5 : 1);
}
Deno.exit(0);
