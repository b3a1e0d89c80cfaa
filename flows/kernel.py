"""Test support: a Deno kernel that is driven line by line. A line is a JSON object:

    {"execute": "console.log(2)"}   runs code and answers when it has run: {"text": "2", "error": null}
    {"begin": "while (true);"}      runs code and answers at once
    {"restart": true}  {"kill": true}

Started in the folder that the kernel works in; ends its kernel when standard input ends.
"""
import json
import queue
import re
import sys
import uuid

from jupyter_client.manager import KernelManager

manager = KernelManager(kernel_name="deno")
manager.start_kernel(stdout=sys.stderr)
client = manager.blocking_client()
client.start_channels()
client.wait_for_ready(timeout=120)


def execute(code):
    # Deno's kernel may say that code has run before it sends what it printed (2.9.6: two threads), but keeps the order of what
    # is printed: all has come once this has
    end = f"end of {uuid.uuid4()}"
    message = client.execute(f"{code}\nconsole.log({json.dumps(end)});")
    text, error, idle = "", None, False
    while not idle or (error is None and end not in text):
        try:
            reply = client.get_iopub_msg(timeout=300)
        except queue.Empty:
            return {"text": text, "error": "it took too long"}
        if reply["parent_header"].get("msg_id") != message:
            continue
        kind, content = reply["msg_type"], reply["content"]
        if kind == "stream":
            text += content["text"]
        elif kind == "error":
            error = f"{content['ename']}: {content['evalue']}"
        elif kind == "status":
            idle = content["execution_state"] == "idle"
    return {"text": re.sub(r"\x1b\[[0-9;]*m", "", text.replace(end, "")).strip(), "error": error}


try:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        answer = {}
        if "execute" in command:
            answer = execute(command["execute"])
        elif "begin" in command:
            client.execute(command["begin"])
        elif "restart" in command:
            manager.restart_kernel(now=True)
            client.wait_for_ready(timeout=120)
        elif "kill" in command:
            manager.signal_kernel(9)
            manager.finish_shutdown()
        print(json.dumps(answer), flush=True)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
