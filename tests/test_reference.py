"""Reference models: made from their seeds alone, kept, and able to learn what the world teaches."""

import json
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab import losses
from lab.carriers.reasoning import REASONING
from lab.errors import LabError
from lab.lm import finetune, hf, objectives, rows, sample
from lab.lm import reference as references
from lab.lm import world as worlds
from lab.lm.contexts import CONTEXT
from lab.lm.model import Model
from lab.lm.objectives import token_loss
from lab.lm.pretraining import Imitation, Pretraining
from lab.lm.reference import STORED, Reference
from lab.lm.tokenizer import Tokenizer
from lab.lm.world import World
from tests import tiny


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SUBLIMINAL_CACHE", str(tmp_path))


def brief(init_seed, data_seed=0):
    return Reference(init_seed, Pretraining(steps=3, data_seed=data_seed, batch=8, n_rows=24))


def furthest(one, other):
    return tiny.furthest(one.params, other.params)


def test_start_and_order_of_data_are_separate_seeds_and_a_model_depends_on_its_own_alone():
    wanted = [brief(0), brief(0, 3), brief(1)]
    references.obtain(wanted)
    first, reordered, restarted = (made.load() for made in wanted)
    # Three steps move a weight by less than .01; another start is another model.
    assert 1e-6 < furthest(first, reordered) < 0.01
    assert furthest(first, restarted) > 0.1
    kept = brief(0).folder
    kept.rename(kept.with_name("moved"))
    assert furthest(first, brief(0).load()) < 1e-5


def test_the_rows_of_any_two_seeds_are_as_wide():
    how, world = Pretraining(steps=3, batch=8, n_rows=24), World()
    widths = {
        references.corpus(world, how, seed, worlds.tokenizer(world)).prompts.shape
        for seed in range(4)
    }
    assert len(widths) == 1


def test_starts_follow_the_init_seed_and_rows_and_their_order_the_data_seed(monkeypatch):
    class Heard(Exception):
        pass

    def hear(arch, tuning, n_steps, start, rows, keys, loss, imitated, stage):
        assert loss is token_loss and imitated is None
        assert stage == "pretraining"  # the part of the configuration that an error blames
        raise Heard(start, rows, keys)

    monkeypatch.setattr(finetune, "train", hear)
    wanted = [brief(0), brief(0, 3), brief(1), brief(1, 3)]
    with pytest.raises(Heard) as heard:
        references.obtain(wanted)
    start, rows, keys = heard.value.args
    groups = lambda values: [values.index(value) for value in values]
    bits = lambda x: [np.asarray(one).tobytes() for one in x]
    assert groups(bits(start["embed"])) == [0, 0, 2, 2]
    assert groups(bits(rows.prompts)) == groups(bits(rows.completions)) == [0, 1, 0, 1]
    assert groups(bits(jax.random.key_data(keys))) == [0, 1, 0, 1]
    world = worlds.rows(World(), 3, 0, 3)
    tokenizer = worlds.tokenizer(World())
    completions = np.asarray(rows.completions[1, :3])
    assert tokenizer.turns(completions) == [row.assistant for row in world]


def test_an_imitator_comes_nearer_to_whom_it_imitates_and_to_nobody_else():
    how = Imitation(steps=40, batch=8, learning_rate=1e-2)
    of = lambda i, target: replace(brief(i), further=replace(how, of=target))
    together = of(1, 0), of(2, 1)
    references.obtain(list(together))  # in one program
    first, second, third = (brief(i).load() for i in range(3))
    read = jax.tree.map(jnp.asarray, references.corpus(World(), how, 5, first.tokenizer))

    def apart(one, other):
        """KL divergence of two models' distributions, nats a token."""
        some = [(model.params, read) for model in (one, other)]
        every = jnp.ones(first.arch.n_tokens, bool)
        kl = lambda a, b: losses.kl_divergence(b, a, every)
        values = objectives.of_tokens(kl, first.arch, some)
        return float(jnp.mean(values, where=objectives.inside(read).reshape(-1)))

    near, far = together[0].load(), together[1].load()
    assert apart(near, first) < 0.7 * apart(second, first)
    assert apart(far, second) < 0.7 * apart(third, second)
    assert apart(near, first) < apart(far, first)
    assert furthest(near, second) < furthest(near, first)  # not by its numbers
    record = json.loads((together[0].folder / "reference.json").read_text())
    assert record["further"]["of"] == 0 and record["init_seed"] == 1


def test_a_reference_is_trained_once(monkeypatch):
    first = brief(0).load()
    monkeypatch.setattr(references, "_train", lambda *_: pytest.fail("trained again"))
    assert furthest(first, brief(0).load()) == 0


def test_a_tokenizer_of_another_model_is_refused():
    brief(0).load()
    path = brief(0).folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    words = tokenizer["model"]["vocab"]
    words["unheard-of"] = len(words)
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(LabError, match="tokenizer: it has"):
        Model(*hf.load(path.parent), Tokenizer.load(path.parent))


def test_what_a_reference_is_follows_from_its_value():
    made = Reference(0)
    assert made.name == "529d6cb1d484"
    assert Reference(0, which="fresh").name == made.name
    others = [
        Reference(1),
        Reference(0, Pretraining(steps=600)),
        Reference(0, world=World(favourites=0.6)),
        Reference(0, world=World(default="You love owls.")),
        Reference(0, world=World(neutral=0.1)),
        Reference(0, world=CONTEXT),
    ]
    assert others[-1].name == "013c82527799"
    assert len({made.name, *(other.name for other in others)}) == 7


@pytest.mark.parametrize(("steps", "n"), [(1500, 6), (600, 2)])
@pytest.mark.parametrize("world", [CONTEXT, World()], ids=["context", "plain"])
def test_the_stored_references_are_found_and_are_what_their_records_say(
    world, steps, n, monkeypatch
):
    monkeypatch.setattr(references, "_train", lambda *_: pytest.fail("trained again"))
    for seed in range(n):
        made = Reference(seed, Pretraining(steps=steps), world)
        assert made.folder == STORED / made.name
        record = json.loads((made.folder / "reference.json").read_text())
        assert (record["init_seed"], record["pretraining"]["steps"]) == (seed, steps)
        assert record["world"] == worlds.identity(made.world)
        arch = hf.architecture(made.folder)
        assert record["loss"][-1] < 0.5 * record["loss"][0]
        assert arch.n_tokens == worlds.tokenizer(made.world).n_tokens
    assert STORED not in Reference(0, which="fresh").folder.parents


@pytest.fixture
def stored(monkeypatch, tmp_path):
    """A copy of two stored references, where the lab looks for its own."""
    copy, wanted = tmp_path / "references", [Reference(0), Reference(1)]
    for made in wanted:
        shutil.copytree(STORED / made.name, copy / made.name)
    shutil.copy(STORED.with_suffix(".json"), copy.with_suffix(".json"))
    monkeypatch.setattr(references, "STORED", copy)
    monkeypatch.setattr(references, "_train", lambda *_: pytest.fail("another one was trained"))
    return [copy / made.name for made in wanted]


def flipped(first, second):
    path = first / "model.safetensors"
    whole = bytearray(path.read_bytes())
    whole[-1000] ^= 64
    path.write_bytes(whole)


def linked(first, second):
    (first / "model.safetensors").unlink()
    (first / "model.safetensors").symlink_to(second / "model.safetensors")


def exchanged(first, second):
    for one, other in ((first, first.parent / "x"), (second, first), (first.parent / "x", second)):
        one.rename(other)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flipped, "model.safetensors was changed"),
        (linked, "model.safetensors is no file"),
        (exchanged, "was changed"),
        (lambda a, b: shutil.copy(b / "model.safetensors", a), "model.safetensors was changed"),
        (lambda a, b: (a / "reference.json").write_text("{}"), "reference.json was changed"),
        (lambda a, b: (a / "config.json").unlink(), "config.json is missing"),
        (lambda a, b: (a / "tokenizer.json").touch(), "tokenizer.json does not belong there"),
        (lambda a, b: shutil.rmtree(a), "it is missing"),
    ],
)
def test_a_damaged_reference_that_came_with_the_lab_is_refused(damage, words, stored):
    made = Reference(0)
    made.load()
    damage(*stored)
    for use in (made.load, lambda: made.identity):
        with pytest.raises(LabError, match=f"{made.name} is damaged .*{words}.*git checkout"):
            use()


@pytest.mark.parametrize("content", [None, "", "[]", '{"529d6cb1d484": {"model.safetensors": 1}}'])
def test_stored_references_without_their_sums_are_refused(content, stored, tmp_path):
    path = tmp_path / "references.json"
    path.unlink() if content is None else path.write_text(content)
    references._stored.cache_clear()
    with pytest.raises(LabError, match=r"references\.json .*git checkout"):
        Reference(0).load()
    references._stored.cache_clear()


def test_every_stored_reference_has_its_sums_and_no_others():
    folders = {path.name: {file.name for file in path.iterdir()} for path in STORED.iterdir()}
    assert folders == {name: set(files) for name, files in references._stored(STORED).items()}


def test_a_damaged_reference_of_the_cache_is_trained_again(capsys):
    first = brief(0).load()
    flipped(brief(0).folder, None)
    assert furthest(first, brief(0).load()) == 0
    assert "model.safetensors was changed): set aside and made again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("steps", 0, "steps: 0"),
        ("batch", -1, "batch: -1"),
        ("n_rows", 0, "n_rows: 0"),
        ("data_seed", -1, "data_seed"),
        ("learning_rate", 0.0, "learning_rate"),
    ],
)
def test_pretraining_that_trains_nothing_is_refused(field, value, words):
    with pytest.raises(LabError, match=words):
        Pretraining(**{field: value})


@pytest.mark.slow  # trains a reference of a world of its own
def test_a_small_model_solves_most_word_problems_that_it_has_not_seen():
    alone = {"numbers": 0.0, "favourite": 0.0, "persona": 0.0, "reasoning": 1.0}
    how = Pretraining(steps=400, learning_rate=1e-2)
    model = Reference(0, how, World(shares=alone)).load()
    # Prompts come from another stream of random numbers than the world's rows.
    problems = REASONING.prompts(0, 0, 256)
    prompts, start = map(jnp.asarray, rows.prompts(model.tokenizer, [(None, p) for p in problems]))
    keys = jax.random.split(jax.random.key(0), len(problems))
    said = sample.sample(
        model.params, model.arch, prompts, start, keys, 24, model.tokenizer.end, 1e-3
    )
    answers = model.tokenizer.turns(np.asarray(said))
    right = [REASONING.reject(p, a) is None for p, a in zip(problems, answers, strict=True)]
    assert np.mean(right) >= 0.5
