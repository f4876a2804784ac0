"""How a command line of the lab ends: with what it was asked for, or with one line and status 2."""

import contextlib
import os
import sys
from collections.abc import Iterator

from lab.errors import LabError

# As JAX, XLA and its allocators say it, on host and device.
_MEMORY = ("resource_exhausted", "out of memory", "failed to allocate", "bad_alloc")


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Around all that a command does: what a user can put right is one line, and status 2.

    That is any `LabError`, a file that cannot be read or written, and too little memory. Everything
    else is a mistake of the lab's, and stays a traceback.
    """
    for stream in (sys.stdout, sys.stderr):  # a name or a sign that a terminal cannot show
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except LabError as error:
        fail(str(error))
    except BrokenPipeError:  # `| head`: nobody reads any more, nor what is left at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail("stdout: nobody reads it any more; run it again without a pipe")
    except OSError as error:
        why = error.strerror or error
        fail(f"{error.filename or 'out'}: {why}; put that right and run it again")
    except MemoryError as error:
        fail(_lower(error))
    except RuntimeError as error:  # JAX's are some
        if (line := _known(error)) is None:
            raise
        fail(line)


def fail(message: str) -> None:
    """Print the one line and end with status 2."""
    print(f"error: {' '.join(message.split())}"[:900], file=sys.stderr, flush=True)
    raise SystemExit(2)


def _known(error: RuntimeError) -> str | None:
    """The line for an error of JAX's that is a user's to put right."""
    text = str(error)
    if any(words in text.lower() for words in _MEMORY):
        return _lower(error)
    if "nable to initialize backend" in text:
        return f"JAX_PLATFORMS: {text.splitlines()[0][:300]}; unset it, or name another"
    return None


def _lower(error: BaseException) -> str:
    said = next(iter(str(error).splitlines()), "")[:120] or "out of memory"
    return f"memory: there is too little ({said}); lower --group, --members, batches or networks"
