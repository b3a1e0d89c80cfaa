import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import { destination } from "./destination.ts";

Deno.test({
  name: "destination() follows links, and tells what may be replaced",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    await Deno.mkdir(`${folder}/deep`);
    await Deno.writeTextFile(`${folder}/deep/file`, "");
    await Deno.chmod(`${folder}/deep/file`, 0o640);
    await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
    const links = {
      ...{
        "to-file": "deep/file",
        "to-link": `${folder}/to-file`,
        "to-nothing": "deep/new",
        "to-pipe": "pipe",
      },
      ...{ "to-folder": "deep", "deep/up": "../to-nothing", "loop": "loop" },
    };
    for (const [name, target] of Object.entries(links)) await Deno.symlink(target, `${folder}/${name}`);
    const rows: [name: string, path: string, replaceable: boolean, mode: number | null][] = [
      ["new", "new", true, null],
      ["no/such/folder", "no/such/folder", true, null],
      ["deep/file", "deep/file", true, 0o640],
      ["to-file", "deep/file", true, 0o640],
      ["to-link", "deep/file", true, 0o640],
      ["to-folder/file", "deep/file", true, 0o640],
      ["to-nothing", "deep/new", true, null],
      ["to-folder/up", "deep/new", true, null],
      ["pipe", "pipe", false, null],
      ["to-pipe", "to-pipe", false, null],
      ["deep", "deep", false, null],
    ];
    for (const [name, path, replaceable, mode] of rows) {
      deepEqual(
        await destination(`${folder}/${name}`),
        { path: `${folder}/${path}`, replaceable, mode },
        name,
      );
    }
    await rejects(destination(`${folder}/loop`));
    await rejects(destination(`${folder}/deep/file/x`));
    await Deno.remove(folder, { recursive: true });
  },
});
