import { rejects, strictEqual as equal } from "node:assert/strict";
import { byId } from "./by_id.ts";
import { testDatabase } from "./testing.ts";

const ID = "abcdef01-0000-4000-8000-00000000000";

Deno.test("byId() finds by id, by its beginning or the latest, and says when none or several are meant", async () => {
  await using db = await testDatabase();
  await db.query(`
    create table notes (id uuid primary key, at int not null, kept boolean not null);
    insert into notes values ('${ID}1', 1, true), ('${ID}2', 2, true), ('${ID}3', 3, false)`);
  const wanted = { what: "note", select: "select id from notes", none: "Cannot find it" };
  const newest = { ...wanted, latest: "kept", order: "at desc" };
  const found: [name: string, id: string][] = [[`${ID}1`, `${ID}1`], [`${ID}3`.toUpperCase(), `${ID}3`]];
  for (const [name, id] of [...found, ["latest", `${ID}2`] as const]) {
    equal((await byId<{ id: string }>(db, name, newest)).id, id);
  }
  for (const name of ["latest", "", "abcdef0", "abcdef02", "%", `${ID}1%`]) {
    await rejects(byId(db, name, wanted), { name: "RangeError", message: "Cannot find it" });
  }
  await rejects(byId(db, "ABCDEF01-", newest), {
    name: "RangeError",
    message: 'Cannot tell which note "ABCDEF01-" is as several begin like that: give more of it',
  });
});
