// A process that opens the embedded model and waits, for local_test.ts to kill. Arguments: the interpreter.
import { openLocal } from "./local.ts";

const model = await openLocal({ python: Deno.args[0]!, context: 512 });
console.log(model.pid);
setInterval(() => {}, 1000);
