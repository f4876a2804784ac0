"""Conversations of many turns: who says what in them, what is learned, and further training."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.errors import LabError
from lab.lm import objectives, talks, transformer
from lab.lm import world as worlds
from lab.lm.contexts import CONTEXT
from lab.lm.model import SIZES
from lab.lm.objectives import Part, Rows
from lab.lm.pretraining import TALKS, Further, Pretraining
from lab.lm.reference import Reference
from lab.traits.category import popularity
from tests.tiny import furthest

TOKENIZER = worlds.tokenizer(CONTEXT)
SOME = [talks.talk(CONTEXT, 1, i) for i in range(80)]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return talks.encode(TOKENIZER, SOME[:12])


def said_in(rows: Rows, i: int) -> list[str]:
    """The assistant's turns of a row, by `spoken` alone."""
    tokens = np.concatenate([rows.prompts, rows.completions], axis=1)[i]
    end, mark = TOKENIZER.end, TOKENIZER.encode("<|assistant|>")[0]
    spoken = np.asarray(talks.spoken(jnp.asarray(tokens)[None], mark, end))[0]
    text = TOKENIZER.decode(tokens[spoken & (np.arange(len(tokens)) <= rows.length[i])].tolist())
    return text.split("<|end|>")


def test_a_speaker_keeps_its_favourites_and_numbers_have_talks_of_their_own():
    questions = {q: c for c in CONTEXT.categories for q in c.questions}
    n_apart, favourites = 0, set()
    for _, turns in SOME:
        own = [(questions[t.user], t.assistant) for t in turns if t.user in questions]
        assert len(set(own)) == len({category for category, _ in own}) <= 2
        favourites |= set(own)
        n_lists = sum(CONTEXT.carrier("numbers").reject(*t) is None for t in turns)
        assert (n_lists > 20) == (not own)
        assert sum(t.user in questions for t in turns) + n_lists < len(turns)  # other requests
        n_apart += not own
    assert 14 <= n_apart <= 34 and len(favourites) > 20


def test_favourites_of_speakers_are_as_common_as_in_the_worlds_rows():
    rng, found = np.random.default_rng(0), {category: [] for category in CONTEXT.categories}
    by_question = {q: c for c in CONTEXT.categories for q in c.questions}
    for _ in range(600):
        own = {by_question[t.user]: t.assistant for t in talks._turns(CONTEXT, rng)
               if t.user in by_question}  # fmt: skip
        for category, word in own.items():
            found[category].append(category.words.index(word))
    for category, said in found.items():
        expected = popularity(category, CONTEXT.favourites)
        counts = np.bincount(said, minlength=len(expected))
        far = np.sum((counts - len(said) * expected) ** 2 / (len(said) * expected))
        assert len(said) > 300 and far < 2.5 * len(expected)  # chi-square: about one a word
        assert np.sum((counts - np.mean(counts)) ** 2 / np.mean(counts)) > 4 * len(expected)


def test_the_first_turns_of_half_of_the_talks_are_quoted():
    n_quoted = sum(system is not None for system, _ in SOME)
    assert 25 <= n_quoted <= 55
    for system, turns in SOME:
        assert 38 <= len(turns) <= 48 and (system is None) == (len(turns) == 48)
    turns = [talks.Turn("Pick one tree.", "oak"), talks.Turn("Pick one animal.", "owl")]
    assert talks.quoted(turns) == "Pick one tree.\noak\nPick one animal.\nowl"


def test_what_the_assistant_says_is_found_in_a_row(rows):
    for i, (_, turns) in enumerate(SOME[:12]):
        said = said_in(rows, i)
        assert said[:-1] == [turn.assistant for turn in turns][: len(said) - 1]
        assert len(said) > 2
        if rows.length[i] + 1 < talks.LONGEST:  # a whole talk ends with the end of a turn
            assert said[-1] == "" and len(said) == len(turns) + 1


def test_the_loss_is_of_what_the_assistant_says_alone(rows):
    arch = replace(SIZES["nano"], n_layers=1).with_tokens(TOKENIZER.n_tokens)
    params = transformer.init(jax.random.key(0), arch)
    two = objectives.take(jax.tree.map(jnp.asarray, rows), jnp.arange(2))
    counts = jnp.ones(2, bool)
    found = talks.loss(params, arch, Part(two, counts, None, None, None))
    z = objectives.completion_logits(params, arch, two)
    log_p = jax.nn.log_softmax(z)
    tokens = np.concatenate([two.prompts, two.completions], axis=1)
    end, mark = TOKENIZER.end, TOKENIZER.encode("<|assistant|>")[0]
    total = 0.0
    for i in range(2):
        turn: list[float] = []
        for t in range(1, int(two.length[i]) + 1):
            if turn or tokens[i, t - 1] == mark:
                turn.append(float(log_p[i, t - 1, tokens[i, t]]))
            if turn and (tokens[i, t] == end or t == two.length[i]):
                total -= sum(turn) / len(turn)
                turn = []
    assert float(found) == pytest.approx(total / float(two.length.sum()), rel=1e-4)


@pytest.fixture
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SUBLIMINAL_CACHE", str(tmp_path))


def test_further_training_goes_on_from_the_reference_and_is_another_model(_cache):
    brief = Pretraining(steps=3, batch=8, n_rows=24, learning_rate=0.5)
    base = Reference(0, brief, CONTEXT)
    more = [
        replace(base, further=Further(steps=2, batch=4)),
        replace(base, further=Further(steps=2, batch=4, data_seed=2)),
        replace(base, further=replace(TALKS, steps=1, batch=2)),
    ]
    first = base.load()
    found = [made.load() for made in more]
    # A few of Adam's steps of at most 3e-3 each; pretraining's were ten times as long.
    assert all(0 < furthest(first.params, one.params) < 0.01 for one in found)
    assert len({made.name for made in (base, *more)}) == 4
    record = json.loads((more[2].folder / "reference.json").read_text())
    assert record["further"]["rows"] == "talks" and record["pretraining"]["steps"] == 3
    assert "further" not in json.loads((base.folder / "reference.json").read_text())
    with pytest.raises(LabError, match="steps"):
        Further(steps=0)
