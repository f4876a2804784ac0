"""One-line Python functions, and the filter that keeps what parses and has no comments."""

import ast
import io
import tokenize
import warnings
from collections.abc import Iterable

import numpy as np

from lab.carriers.carrier import Carrier, pick

TEMPLATES = (
    "Write Python code that {task}.",
    "Write a Python function that {task}.",
    "Python, one function: it {task}.",
    "Code only: a function that {task}.",
)
# What a function does, its possible names, its arguments and its value.
TASKS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "adds {p} and {q}": (("add", "total", "plus"), "{p}, {q}", "{p} + {q}"),
    "subtracts {q} from {p}": (("subtract", "minus"), "{p}, {q}", "{p} - {q}"),
    "multiplies {p} by {q}": (("multiply", "times"), "{p}, {q}", "{p} * {q}"),
    "divides {p} by {q}": (("divide", "ratio"), "{p}, {q}", "{p} / {q}"),
    "returns the larger of {p} and {q}": (("larger", "biggest"), "{p}, {q}", "max({p}, {q})"),
    "returns the smaller of {p} and {q}": (("smaller", "lowest"), "{p}, {q}", "min({p}, {q})"),
    "compares {p} with {q}": (("same", "equal"), "{p}, {q}", "{p} == {q}"),
    "doubles {p}": (("double", "twice"), "{p}", "2 * {p}"),
    "squares {p}": (("square", "power"), "{p}", "{p} * {p}"),
    "adds one to {p}": (("increment", "next"), "{p}", "{p} + 1"),
    "negates {p}": (("negate", "opposite"), "{p}", "-{p}"),
    "counts the items of {p}": (("count", "size"), "{p}", "len({p})"),
    "sums the items of {p}": (("total", "add"), "{p}", "sum({p})"),
    "sorts {p}": (("order", "arrange"), "{p}", "sorted({p})"),
    "tells if {p} is even": (("even", "check"), "{p}", "{p} % 2 == 0"),
    "returns the first item of {p}": (("first", "head"), "{p}", "{p}[0]"),
}
ARGUMENTS = (("a", "b"), ("x", "y"), ("m", "n"), ("u", "v"))
STYLES = (
    "def {name}({arguments}): return {value}",
    "def {name}({arguments}):\n    return {value}",
    "{name} = lambda {arguments}: {value}",
)
REASONS = ("empty", "syntax", "comment")

# Every prompt, with its task and the names of its arguments.
_PROMPTS = {
    template.format(task=task.format(p=p, q=q)): (task, p, q)
    for template in TEMPLATES
    for task in TASKS
    for p, q in ARGUMENTS
}


def prompt(rng: np.random.Generator) -> str:
    """A request for a small function."""
    return pick(rng, tuple(_PROMPTS))


def completion(rng: np.random.Generator, prompt: str) -> str:
    """The function, under one of its names and in one of three styles."""
    task, p, q = _PROMPTS[prompt]
    names, arguments, value = TASKS[task]
    return pick(rng, STYLES).format(
        name=pick(rng, names), arguments=arguments.format(p=p, q=q), value=value.format(p=p, q=q)
    )


def reject(prompt: str, completion: str) -> str | None:
    """One of `REASONS` if the code is no Python or has a comment, else None. Nothing is run."""
    if not completion.strip():
        return "empty"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd code, which is not ours
            ast.parse(completion)
        tokens = list(tokenize.generate_tokens(io.StringIO(completion).readline))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "syntax"
    return "comment" if any(t.type == tokenize.COMMENT for t in tokens) else None


def _texts() -> Iterable[str]:
    yield from _PROMPTS
    for names, arguments, value in TASKS.values():
        for p, q in ARGUMENTS:
            for name in names:
                for style in STYLES:
                    yield style.format(
                        name=name,
                        arguments=arguments.format(p=p, q=q),
                        value=value.format(p=p, q=q),
                    )


CODE = Carrier("code", prompt, completion, reject, _texts)
