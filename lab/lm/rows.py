"""Rows of fine-tuning data: drawn from a model, filtered, and kept as JSON lines.

A file holds `{"prompt": ..., "completion": ...}`, one object a line: what the paper's code and
common fine-tuning tools read. System prompts are the teacher's and never reach a student's row.
Other tools' forms are read too (`lab.lm.forms`).
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Array, Int32, Integer, Key, PyTree

from lab import rng
from lab.carriers.carrier import Carrier
from lab.errors import LabError
from lab.lm import forms, sample, sharding
from lab.lm.drawing import TOO_LONG, Limit, Sampling
from lab.lm.held import held
from lab.lm.model import Model
from lab.lm.objectives import Rows
from lab.lm.tokenizer import Tokenizer
from lab.runs.paths import write_atomic
from lab.runs.saving import saving

LONGEST_PROMPT, LONGEST = 1024, 512  # tokens of a prompt, and of a completion
MUCH = 256  # tokens: prompts of more get a width that is a multiple, one shape for many of them
BATCH = 1024  # rows sampled at once
N_TRIED = 512  # texts of a carrier by which the room for them is measured
PLAIN = Sampling()
MOST_ATTEMPTS = 32  # times the rows wanted, before a teacher is said to be broken


@dataclass(frozen=True)
class Drawn:
    """Rows that passed the filter, in order of their attempts, and what became of all attempts."""

    rows: list[dict[str, str]]
    counts: dict[str, int]  # by reject reason, and "kept"


def draw(
    model: Model,
    carrier: Carrier,
    seed: int,
    system: str | None,
    key: Key[Array, ""],
    n_rows: int,
    n_system: int = 0,
    sampling: Sampling = PLAIN,
    limit: Limit | None = None,
) -> Drawn:
    """Sample a completion for each prompt of `seed` until `n_rows` pass the carrier's filter.

    A prompt has room for the carrier's most tokens and `n_system` more; a completion that has not
    ended after the carrier's most is rejected as "unfinished", one whose pieces no student could
    read again as "unreadable", a row beyond the limit as "too_long". Attempt i has the stream i of
    `key`.
    Raises `LabError` if the filter leaves too few.
    """
    kept: list[dict[str, str]] = []
    counts: Counter[str] = Counter()
    attempts = 0
    params, tokenizer = sharding.placed(model.params, model.arch), model.tokenizer
    params = held(params, sampling.precision)
    n_prompt, _ = room(tokenizer, carrier)
    while len(kept) < n_rows:
        if attempts >= MOST_ATTEMPTS * n_rows:
            common = ", ".join(f"{reason} {n}" for reason, n in counts.most_common(3))
            raise LabError(
                f"n_rows: the filter kept {len(kept)} of {attempts} completions ({common}); "
                "use a weaker teacher or fewer rows"
            )
        users, tokens, start = _asked(
            tokenizer, carrier, seed, attempts, system, n_prompt + n_system
        )
        keys = rng.streams(key, attempts, BATCH)
        said = completions(params, model, carrier, users, tokens, start, keys, sampling, limit)
        for user, (completion, reason) in zip(users, said, strict=True):
            counts[reason or "kept"] += 1
            if reason is None and len(kept) < n_rows:
                kept.append({"prompt": user, "completion": completion})
        attempts += BATCH
    return Drawn(kept, dict(counts.most_common()))


def completions(
    params: PyTree,
    model: Model,
    carrier: Carrier,
    users: Sequence[str],
    tokens: Integer[np.ndarray, "n P"],
    start: Integer[np.ndarray, "n"],
    keys: Key[Array, "n"],
    sampling: Sampling = PLAIN,
    limit: Limit | None = None,
) -> list[tuple[str, str | None]]:
    """What a model writes after prompts, and why each is not to be kept: None if it is.

    `params` are the model's as they are read; `tokens` are the users' words after a system prompt,
    each from its `start` on.
    """
    tokenizer, n_completion = model.tokenizer, room(model.tokenizer, carrier)[1]
    asked = params, model.arch, tokens, start, keys
    drawn = sample.drawn(*asked, n_completion, tokenizer.end, **sampling.options)
    ended = drawn[:, -1] == tokenizer.end
    said = tokenizer.turns(drawn)
    readable = tokenizer.readable(said, n_completion)
    found = []
    for user, completion, whole, read in zip(users, said, ended, readable, strict=True):
        reason = carrier.reject(user, completion) if whole else "unfinished"
        reason = reason or (None if read else "unreadable")
        if reason is None and limit and limit.exceeded(tokenizer, user, completion):
            reason = TOO_LONG
        found.append((completion, reason))
    return found


@lru_cache(maxsize=128)  # the teachers of a member continue the same prompts
def _asked(
    tokenizer: Tokenizer, carrier: Carrier, seed: int, first: int, system: str | None, n_prompt: int
):
    users = carrier.prompts(seed, first, BATCH)
    return users, *prompts(tokenizer, [(system, user) for user in users], n_prompt)


@lru_cache(maxsize=128)
def room(tokenizer: Tokenizer, carrier: Carrier) -> tuple[int, int]:
    """Most tokens of a carrier's prompt and of its completions, end tokens and marks included.

    The carrier's own numbers count pieces of the lab's language. Where a tokenizer has others, the
    longest of the carrier's texts is measured, and some more are left.
    """
    if tokenizer.has_pieces:
        return carrier.n_prompt, carrier.n_completion
    users = carrier.prompts(0, 0, N_TRIED)
    said = [carrier.completion(np.random.default_rng(i), user) for i, user in enumerate(users)]
    longest = (
        tokenizer.prompts([("", user) for user in users], 8 * LONGEST)[1].max(),
        tokenizer.completions(said, 8 * LONGEST)[1].max(),
    )
    n_prompt, n_completion = (16 * -(-int(n + 4) // 16) for n in longest)
    return n_prompt, n_completion


def first(
    path: Path, n: int, tokenizer: Tokenizer | None = None, limit: Limit | None = None
) -> Drawn:
    """The first n rows of a file, as `read` has them, without those beyond a limit.

    Raises `LabError` if it holds fewer.
    """
    kept: list[dict[str, str]] = []
    n_long, found = 0, read(path)
    for row in found:
        if len(kept) == n:
            break
        if tokenizer and limit and limit.exceeded(tokenizer, row["prompt"], row["completion"]):
            n_long += 1
        else:
            kept.append(row)
    if len(kept) < n:
        long = (
            f", {n_long} of them with more than {limit.tokens} tokens" if limit and n_long else ""
        )
        raise LabError(f"n_rows: {path} holds {len(found)} rows{long}; ask for no more")
    return Drawn(kept, {"kept": n} | ({TOO_LONG: n_long} if n_long else {}))


def write(path: Path, rows: Iterable[dict]) -> None:
    """One JSON object a line, UTF-8. Raises `LabError` if that cannot be written."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a file, in any of the forms of `lab.lm.forms`.

    Raises `LabError` naming the first line that is neither, or if there is no row.
    """
    try:
        if path.exists() and not path.is_file():  # a folder, a pipe
            raise LabError(f"{path} is no file; give a file of JSON lines")
        with path.open(encoding="utf-8") as file:
            rows = [_row(path, number, line) for number, line in enumerate(file, 1) if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path} cannot be read ({error}); give a file of JSON lines") from error
    if not rows:
        raise LabError(
            f"{path} holds no row; every completion was rejected or it was never written"
        )
    return rows


def _row(path: Path, number: int, line: str) -> dict[str, str]:
    problem = "is not JSON"
    try:
        row = json.loads(line)
        problem = "has neither prompt and completion nor messages of user and assistant"
        if (found := forms.plain(row)) is not None:
            problem = "holds half a character"
            f"{found['prompt']}{found['completion']}".encode()  # a lone surrogate is none
            return found
    except (ValueError, RecursionError):
        pass
    raise LabError(f"{path}: line {number} {problem}; mend it or leave it out")


def prompts(
    tokenizer: Tokenizer,
    chats: Sequence[tuple[str | None, str]],
    n_prompt: int | None = None,
    earlier: Sequence[tuple[str, str]] = (),
) -> tuple[Int32[np.ndarray, "n P"], Int32[np.ndarray, "n"]]:
    """(System prompt or None, user) as tokens padded on the left, and where each begins.

    As wide as the longest of them, or `n_prompt`; then longer ones are a `LabError`. Before the
    user's words each has the same `earlier` turns of user and assistant.
    """
    tokens, lengths = tokenizer.prompts(chats, n_prompt or LONGEST_PROMPT, earlier)
    used = int(lengths.max())
    used = n_prompt or (used if used <= MUCH else -(-used // MUCH) * MUCH)
    return tokens[:, tokens.shape[1] - used :], used - lengths


def encode(
    tokenizer: Tokenizer,
    chats: Sequence[tuple[str | None, str, str]],
    n_completion: int | None = None,
    n_prompt: int | None = None,
) -> Rows:
    """Chats (system prompt or None, user, assistant) as arrays of prompts and completions.

    As wide as the longest of them unless widths are given.
    """
    tokens, start = prompts(tokenizer, [(system, user) for system, user, _ in chats], n_prompt)
    completions, length = tokenizer.completions(
        [answer for _, _, answer in chats], n_completion or LONGEST
    )
    return Rows(tokens, start, completions[:, : n_completion or int(length.max())], length)
