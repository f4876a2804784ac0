"""`python -m MODULE` many times over, in forks of a process that has imported what takes long.

What is imported is others' alone: a fork reads the lab from its files as they are then.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

# A line of stdin is [seconds, module, *arguments]; a line of stdout is [exit status, output].
SERVER = """
import json, os, runpy, signal, sys, tempfile, traceback, warnings
import beartype, hypothesis.strategies, jax, jaxtyping, matplotlib.figure, msgspec, optax, pytest
import rich.table, scipy.special, tyro
warnings.filterwarnings("ignore", "os.fork")  # JAX has no threads before its first array
for line in sys.stdin:
    folder, seconds, *sys.argv = json.loads(line)
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            signal.alarm(seconds)
            os.chdir(folder)
            sys.path[0] = os.environ["PYTHONPATH"] = folder
            for stream in (1, 2):
                os.dup2(said.fileno(), stream)
            status = 1
            try:
                runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
                status = 0
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        print(json.dumps([status, said.read().decode(errors="replace")]), flush=True)
"""
_of_thread = threading.local()


def run(folder: Path, words: list[str], timeout: int) -> tuple[int, str]:
    """Exit status and output of `python -m WORDS` in a folder; a signal's number is negative."""
    server = _server()
    server.stdin.write(json.dumps([str(folder), timeout, *words]) + "\n")
    server.stdin.flush()
    status, output = json.loads(server.stdout.readline())
    return status, output


def _server() -> subprocess.Popen:
    """This thread's own; it ends with this process, when nobody can write to it any more."""
    if not hasattr(_of_thread, "server"):
        env = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
        _of_thread.server = subprocess.Popen(
            [sys.executable, "-c", SERVER], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
    return _of_thread.server
