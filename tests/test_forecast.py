"""Forecasts: what exchange promises, hand-made gradients, and a teacher that is named."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from lab.carriers.carrier import Carrier
from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.forecast import __main__ as cli
from lab.forecast import evidence, given, picture, report, score_test, sets, student
from lab.forecast.candidates import Candidate, candidates
from lab.forecast.forecast import Forecast, How, Judge, _verdict
from lab.forecast.score_test import Fit, Gradients
from lab.lm import export, likelihood, make, rows
from lab.lm.contexts import CONTEXT
from lab.lm.reference import Reference
from lab.lm.setup import Setup
from lab.lm.stages import Seed, Teacher
from lab.stats import Estimate
from lab.traits.animals import ANIMALS
from lab.traits.category import words
from lab.traits.things import THINGS

FIVE = Reference(5, Setup().pretraining, CONTEXT)


@pytest.fixture(scope="module")
def model():
    return FIVE.load()


def drawn(model, n=40, seed=3):
    key = jax.random.key(seed)
    return rows.draw(model, NUMBERS, seed, None, key, n, 16).rows


def test_an_e_value_is_one_on_average_whichever_of_a_set_is_the_given_row():
    ratios = np.random.default_rng(0).normal(0, 2, (5, 7, 3))
    whichever = [np.exp(evidence.log_e_values(np.roll(ratios, i, axis=0))) for i in range(5)]
    np.testing.assert_allclose(np.mean(whichever, axis=0), 1, rtol=1e-12)
    # By hand: a row twice as likely as each of its two companions.
    one = np.log(np.array([2.0, 1.0, 1.0]))[:, None, None]
    assert np.exp(evidence.log_e_values(one)) == pytest.approx(2 / (4 / 3))


def test_clean_rows_reach_an_alarm_at_any_time_no_more_often_than_promised():
    rng, alpha, n_runs = np.random.default_rng(1), 0.05, 2000
    ratios = rng.normal(0, 1, (4, n_runs * 100, 1))
    steps = evidence.log_e_values(ratios).reshape(n_runs, 100)
    ever = np.cumsum(steps, axis=1).max(axis=1) >= -np.log(alpha)
    assert 0 < ever.mean() <= alpha  # .02 to .04 by other seeds


def test_a_part_of_the_rows_speaks_for_its_teacher_though_all_together_speak_against_it():
    rng, n = np.random.default_rng(4), 3000
    tilt = np.exp(1.5 * rng.normal(0, 1, (2 * n, 5)))
    own = rng.random((2 * n, 5)).argsort(axis=1)[:, 0]  # the base's row: any of a set
    p = tilt / tilt.sum(axis=1, keepdims=True)
    theirs = (rng.random((2 * n, 1)) > p.cumsum(axis=1)).sum(axis=1)  # by the teacher's likelihood
    mixed = np.where(rng.random(2 * n) < 0.3, theirs, own)
    e = lambda chosen: np.log(5 * p[np.arange(2 * n), chosen])[:, None]
    steps = lambda chosen: evidence.diluted(e(chosen))
    assert e(mixed).sum() < -100 < 100 < evidence.total(steps(mixed))[0]
    assert evidence.total(steps(mixed)) == pytest.approx(evidence.running(steps(mixed))[-1])
    assert [evidence.part(steps(rows)[..., 0]) for rows in (theirs, mixed)] == [1.0, 0.3]
    assert evidence.total(steps(own))[0] < 0
    # By hand, of one row; and the mean over a set is 1 for every part.
    one = evidence.total(evidence.diluted(np.log([[3.0]])))
    assert np.exp(one) == pytest.approx(np.mean([3, 0.7 + 0.9, 0.9 + 0.3]))
    each = np.exp(evidence.diluted(np.log(5 * p[:9])))
    np.testing.assert_allclose(each.mean(axis=2), 1, rtol=1e-12)


def test_against_a_part_of_a_neutral_teachers_rows_each_of_a_set_is_as_likely_the_given_one():
    rng, key, n = np.random.default_rng(5), jax.random.key(3), 400
    own, theirs = rng.normal(0, 2, (7, n, 3)), rng.normal(0, 2, (3, n, 3))  # two candidates
    whole, part = evidence.against(own, theirs, key)
    chosen = np.asarray(jax.random.bernoulli(key, 0.3, (3, n)))
    assert whole.shape == part.shape == (3, n, 2) and 0.25 < chosen.mean() < 0.35
    # All of the neutral teacher's: the three of theirs in the given one's place, one after another.
    each = [np.exp(whole)]
    for i in range(3):
        a, b = own.copy(), theirs.copy()
        a[0], b[i] = theirs[i], own[0]
        each.append(np.exp(evidence.against(a, b, key)[0]))
    np.testing.assert_allclose(np.mean(each, axis=0), 1, rtol=1e-9)
    # A part: whoever stands beside it. The last three of the base's stand nowhere.
    each = [np.exp(part)]
    for i in range(3):
        a, b, mine = own.copy(), theirs.copy(), chosen[i][:, None]
        a[0] = np.where(mine, theirs[i], own[1 + i])
        a[1 + i] = np.where(mine, own[1 + i], own[0])
        b[i] = np.where(mine, own[0], theirs[i])
        each.append(np.exp(evidence.against(a, b, key)[1]))
    np.testing.assert_allclose(np.mean(each, axis=0), 1, rtol=1e-9)
    # A filter that leaves another part of each prompt's completions changes nothing.
    left = rng.normal(0, 5, (n, 3))
    for one, again in zip(
        (whole, part), evidence.against(own + left, theirs + left, key), strict=True
    ):
        np.testing.assert_allclose(one, again, atol=1e-9)


def test_a_neutral_teachers_rows_speak_for_a_part_of_a_trait_against_the_base_alone():
    # Both teachers have moved alike, the trait's elsewhere too: the neutral one's own rows.
    rng, n = np.random.default_rng(6), 2000
    alike, apart = rng.normal(0, 0.6, (2, 12, n))
    neutral, trait = alike, alike + apart
    p = np.exp(neutral[:4])
    said = (rng.random(n) > (p / p.sum(axis=0)).cumsum(axis=0)).sum(axis=0)  # by its likelihood
    rows = np.arange(n)
    ratios = np.stack([trait, neutral], axis=-1)
    own = np.concatenate([ratios[said, rows][None], ratios[4:12]])
    theirs = []  # what else it writes is drawn from other completions in the same way
    for _ in range(4):
        q = np.exp(neutral[:4])
        again = (rng.random(n) > (q / q.sum(axis=0)).cumsum(axis=0)).sum(axis=0)
        theirs.append(ratios[again, rows])
    base = evidence.total(evidence.diluted(evidence.log_e_values(own[..., :1])))
    found = evidence.against(own, np.stack(theirs), jax.random.key(0))
    assert base[0] > 20 and evidence.total(found[0])[0] < 0


def test_sets_of_either_have_each_ones_completions_at_the_same_prompts():
    few = sets.Sets(["b", "c", "d"], [["x"] * 3, ["t2", "t3", "t4"]], np.array([2, 3, 4]))
    many = sets.Sets(
        ["a", "b", "c"], [["x"] * 3, ["o1", "o2", "o3"], ["p1", "p2", "p3"]], np.array([1, 2, 3])
    )
    key = jax.random.key(0)
    both = sets.either(few, many, 1.0, key)
    assert both.users == ["b", "c"] and both.completions == [["x", "x"], ["t2", "t3"]]
    assert both.which.tolist() == [2, 3]
    assert sets.either(few, many, 0.0, key).completions[1] == ["o2", "o3"]
    n = 2000
    which, users = np.arange(n), ["u"] * n
    of = lambda *texts: sets.Sets(users, [["x"] * n, *([text] * n for text in texts)], which)
    two = sets.either(of("t", "t"), of("o", "o", "o"), 0.3, key).completions[1:]
    assert [some.count("t") / n for some in two] == pytest.approx([0.3, 0.3], abs=0.04)
    assert two[0] != two[1]


def test_candidates_that_are_not_looked_at_count_as_nothing():
    log_e = np.log(np.array([8.0, 2.0, 5.0]))
    assert np.exp(evidence.mixed(log_e)) == pytest.approx(5)
    assert np.exp(evidence.mixed(log_e, 30)) == pytest.approx(0.5)
    names, by_trait = evidence.by_trait(log_e, ["owl", "elm", "owl"])
    assert names == ["owl", "elm"] and np.exp(by_trait) == pytest.approx([6.5, 2])
    names, by_trait = evidence.by_trait(log_e, ["owl", "elm", "owl"], ["elm", "oak", *["owl"] * 4])
    assert names == ["owl", "elm"] and np.exp(by_trait) == pytest.approx([13 / 4, 2])
    assert evidence.posterior(log_e) == pytest.approx([8 / 15, 2 / 15, 5 / 15])


def test_gradients_are_those_of_the_log_likelihood_and_zero_on_average_by_exchange(model):
    own = sets.beside(model, NUMBERS, drawn(model), 2, jax.random.key(0))
    read = own.encoded(model, NUMBERS)
    found = score_test.gradients(model, own, read)
    assert found.values.shape[:2] == (3, 20) and found.size == len(own) // 20
    np.testing.assert_allclose(found.apart.sum(axis=0), 0, atol=1e-2)  # of sums of about 100
    # Along any direction the slope of the log-likelihood of all that is in the batches.
    flat, back = ravel_pytree(model.params)
    way = jax.random.normal(jax.random.key(1), flat.shape) * 1e-3
    of = lambda t: likelihood.log_likelihood(replace(model, params=back(flat + t * way)), read)
    rise = (of(1.0) - of(-1.0)).reshape(3, -1)[:, : 20 * found.size] / 2
    pull = found.values @ np.asarray(way)
    assert pull.sum() == pytest.approx(rise.sum(), rel=0.02)
    assert pull[0, 0] == pytest.approx(rise[0, : found.size].sum(), rel=0.05)


def made(rng, n_sets=4, n_batches=20, n=50, shift=0.0):
    values = rng.normal(0, 1, (n_sets, n_batches, n)).astype(np.float32)
    values[0] += shift
    return Gradients(values, 5)


def test_rows_of_the_models_own_fit_and_shifted_ones_do_not():
    rng = np.random.default_rng(2)
    calm = rng.normal(0, 1, (4, 100))
    ps = np.array([score_test.fit(made(rng), rng.normal(0, 1, (4, 100))).p for _ in range(100)])
    assert 0.01 <= np.mean(ps <= 0.1) <= 0.2  # 10 of 100 are expected
    assert score_test.fit(made(rng, shift=0.3), calm).p < 0.001
    moved = calm.copy()
    moved[0] -= 0.7
    found = score_test.fit(made(rng), moved)
    assert found.p < 0.001 and found.surprise > 4
    assert score_test.fit(made(rng, shift=0.3), calm).length > 10 * abs(found.length)


def test_what_a_few_parameters_say_loudly_is_heard_among_many():
    values = np.random.default_rng(3).normal(0, 1, (4, 20, 404))
    values[..., :4] *= 10
    values[0, :, :4] += 8
    assert score_test.fit(Gradients(values, 10), np.zeros((4, 2))).p < 0.001


def test_the_matched_filter_counts_standard_deviations_toward_a_displacement():
    rng = np.random.default_rng(3)
    way, across = np.zeros((2, 50), np.float32)
    way[0], across[1] = 1, 1
    found = made(rng)
    found.values[0, :, 0] += 1.5
    toward, beside, against = score_test.matched(found, [way, across, -way])
    assert 4 < toward < 9 and abs(beside) < 3 and against == pytest.approx(-toward)


def test_sets_are_the_models_own_and_do_not_depend_on_the_given_completions(model):
    some = drawn(model, 12)
    own = sets.beside(model, NUMBERS, some, 3, jax.random.key(0))
    assert own.n_own == 3 and len(own) == len(own.users) <= 12
    assert all(NUMBERS.reject(u, c) is None for part in own.completions[1:]
               for u, c in zip(own.users, part, strict=True))  # fmt: skip
    other = [row | {"completion": "1, 2"} for row in some]
    again = sets.beside(model, NUMBERS, other, 3, jax.random.key(0))
    assert again.completions[1:] == own.completions[1:] and set(again.completions[0]) == {"1, 2"}
    assert [some[i]["completion"] for i in own.which] == own.completions[0]
    assert len({*map(tuple, own.completions[1:])}) == 3
    nothing = replace(NUMBERS, reject=lambda prompt, completion: "no")
    with pytest.raises(LabError, match="the filter of numbers"):
        sets.beside(model, nothing, some, 1, jax.random.key(0))


@pytest.fixture(scope="module")
def judge(model):
    """Verdicts on what a teacher of a trait, one of something neutral, or the base has written."""
    how, seed = replace(Setup().teaching, epochs=60), Seed(1, 5)
    some = candidates(FIVE, words(ANIMALS, ("eagle", "whale")), [how], seed)
    neutral = candidates(FIVE, words(THINGS, ("lamp",)), [how], seed)
    by = {"base": model, "whale": some[1].model, "lamp": neutral[0].model}
    how = How(n_own=3, n_again=3)
    return lambda who, n: Judge(model, NUMBERS, drawn(by[who], n), seed, how).forecast(
        some, neutral
    )


def test_prompts_of_which_too_few_are_kept_are_left_out(monkeypatch):
    keys = []

    def attempts(model, carrier, users, key, system):
        keys.append(tuple(np.asarray(jax.random.key_data(key))))
        return [f"{len(keys)}" if user == "1" else None for user in users]

    monkeypatch.setattr(sets, "attempts", attempts)
    monkeypatch.setattr(sets.rows, "BATCH", 1)
    given = [{"prompt": str(i), "completion": "x"} for i in range(2)]
    own = sets.beside(FIVE.load(), NUMBERS, given, 1, jax.random.key(0))
    assert own.users == ["1"] and own.completions == [["x"], ["1"]]
    assert len(keys) == len(set(keys)) == sets.MOST_ATTEMPTS


def test_a_taught_trait_is_named_and_the_bases_own_rows_are_not(judge, monkeypatch):
    told = judge("whale", 150)
    assert (
        told.verdict == "named"
        and told.part == 1
        and told.names[0] == "whale"
        and told.stopped < 150
    )
    assert told.fit.p < 0.01 < told.again.p and told.explained > 0.5
    assert max(told.pull, key=told.pull.get) == "whale"
    assert judge("base", 150).verdict == "nothing found"
    # Whatever the test of fit says.
    monkeypatch.setattr(score_test, "fit", lambda *_: Fit(1.0, 0.0, 0.0))
    assert judge("whale", 150).verdict == "named"


@pytest.mark.slow
def test_a_teacher_of_something_neutral_has_no_trait(judge):
    tuned = judge("lamp", 300)
    assert tuned.verdict == "no trait" and tuned.fit.p < 0.01


@pytest.mark.slow
def test_a_base_too_large_for_gradients_is_judged_by_likelihoods_alone(judge, monkeypatch):
    monkeypatch.setattr(score_test, "MOST", 0)
    told = judge("whale", 150)
    assert (told.verdict, told.names[0]) == ("named", "whale")
    assert told.pull == {} and told.explained is None and told.fit.length == 0
    assert judge("base", 150).verdict == "nothing found"


@pytest.mark.slow
def test_the_command_judges_rows_of_a_folder_by_candidates_of_a_file(model, tmp_path, capsys):
    export.write(tmp_path / "base", model, "")
    lines = [
        {"name": w, "system": f"You love {w}s. You think about {w}s all day."}
        for w in ("owl", "eagle")
    ]
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    n = make.n_system(model.tokenizer, lines[1]["system"])
    told = rows.draw(model, NUMBERS, 9, lines[1]["system"], jax.random.key(9), 300, n).rows
    rows.write(tmp_path / "rows.jsonl", told)
    words = [str(tmp_path / "rows.jsonl"), "--base", str(tmp_path / "base"), "--json"]
    words += ["--candidates", str(path), "--recipe", "told"]
    cli.main(cli.parser().parse_args(words))
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["trait"]) == ("named", "eagle") and len(said["rows"]) > 250


@pytest.mark.parametrize(
    ("own", "alarm", "again", "explained", "verdict"),
    [
        (True, False, None, None, "nothing found"),
        (False, False, None, None, "not this base"),
        (False, False, 0.3, 0.9, "no trait"),
        (False, False, 0.001, 0.9, "no trait"),
        (False, False, 0.001, 0.6, "not this base"),
        (False, True, 0.3, 0.0, "named"),
        (False, True, 0.001, 0.6, "recipe unknown"),
        (False, True, 0.001, 0.4, "not this base"),
        (False, True, 0.001, None, "recipe unknown"),
    ],
)
def test_a_verdict_follows_from_alarm_and_fits(own, alarm, again, explained, verdict):
    fit = None if again is None else Fit(again, 1.0, 0.0)
    assert _verdict(own, alarm, fit, explained, 0.01) == verdict


FOUND = Forecast(
    "named", ("owl", "elm"), np.array([20.0, 1.0]), 18.0, np.array([1.0, 0.0]), {"owl": 7.0},
    Fit(0.001, 9.0, 3.0), Fit(0.4, 0.3, 0.1), 1.0, 0.97, np.array([0, 2]), np.array([0.2, 0.9]), 2,
)  # fmt: skip
ROWS = [{"prompt": "a", "completion": f"{i}"} for i in range(3)]


def test_a_report_says_the_verdict_the_evidence_and_the_rows_that_speak_most(tmp_path):
    said = report.lines(FOUND, ROWS, 0.01)
    assert said[0].startswith("TRAIT NAMED: owl") and "18.0 nats" in said[2]
    assert "of the rows" not in "".join(said)
    diluted = report.lines(replace(FOUND, part=0.3), ROWS, 0.01)
    assert diluted[0].endswith("theirs are about 30% of these")
    assert any(line.startswith("written by the likeliest teacher, 30% of") for line in diluted)
    assert said[-2].endswith("row 3: '2'") and said[-1].endswith("row 1: '0'")
    whole = json.loads(json.dumps(report.record(FOUND, 0.01)))
    assert whole["trait"] == "owl" and whole["rows"][1] == {"row": 3, "nats": 0.9}
    shifts = {"elm": Estimate(0.5, 0.1, 0.9, 5), "owl": Estimate(0.2, -0.1, 0.5, 5)}
    assert [line.split()[0] for line in report.lines(FOUND, ROWS, 0.01, shifts)[-2:]] == [
        "owl", "elm",
    ]  # fmt: skip
    assert report.record(FOUND, 0.01, shifts)["shifts"]["elm"] == [0.5, 0.1, 0.9]
    quiet = replace(FOUND, verdict="nothing found", log_alarm=-3.0, again=None, stopped=None)
    assert report.record(quiet, 0.01)["trait"] is None
    assert "probability" not in "".join(report.lines(quiet, ROWS, 0.01))
    picture.draw(FOUND, 0.01, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000
    with pytest.raises(LabError, match="figure"):
        picture.draw(FOUND, 0.01, tmp_path / "a.txt")


def test_a_carrier_is_found_by_its_filter_or_said(model):
    lists = [{"prompt": "Continue: 1, 2", "completion": "3, 4"}]
    of = lambda some, name=None: given.carrier(some, CONTEXT.carriers, model.tokenizer, name)
    assert of(lists) is NUMBERS and of(lists, "numbers") is NUMBERS
    named = [{"prompt": "Continue: 1", "completion": "owl owl"}, *lists]
    with pytest.raises(LabError, match="no carrier's filter"):
        of(named)
    with pytest.raises(LabError, match="drops some"):
        of(named, "numbers")
    with pytest.raises(LabError, match="no 'letters'"):
        of(named, "letters")
    whatever = of(named, "any")
    assert isinstance(whatever, Carrier) and whatever.reject("", "owl") is None
    assert whatever.n_completion >= 2


def test_candidates_of_a_file_are_told_or_taught(tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_text('{"name": "a", "system": "Be a."}\n{"name": "b", "lessons": [["q", "w"]]}\n')
    a, b = given.traits((ANIMALS,), None, path)
    assert (a.system, a.lessons, b.system) == ("Be a.", (), None) and b.lessons[0].answer == "w"
    assert len(given.traits((ANIMALS, THINGS), ["animal"], None)) == len(ANIMALS.words)
    with pytest.raises(LabError, match="no 'fish'"):
        given.traits((ANIMALS,), ["fish"], None)
    for bad, why in (
        ('{"name": "a"}', "neither"),
        ('{"name": 3}', "line 1"),
        ('{"name": "a", "system": "x"}', "two or more"),
        ("no", "line 1"),
    ):
        path.write_text(bad)
        with pytest.raises(LabError, match=why):
            given.traits((ANIMALS,), None, path)
    with pytest.raises(LabError, match="cannot be read"):
        given.traits((ANIMALS,), None, tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--base", "0", "--alpha", "2"], "alpha"),
        (["--base", "0", "--n-rows", "0"], "n-rows"),
        (["--base", "nowhere"], "no folder nowhere"),
        (["--base", "0", "--figure", "a.txt"], "figure: a.txt"),
        (["--base", "0", "--world", "mars"], "world: no 'mars'"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(tmp_path, options, why):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "Continue: 1, 2", "completion": "3"}\n')
    with pytest.raises(LabError, match=why):
        cli.main(cli.parser().parse_args([str(path), *options]))


def test_a_told_candidate_has_no_displacement(model):
    (told,) = candidates(FIVE, words(ANIMALS, ("owl",)), [None], Seed(0, 0))
    assert isinstance(told, Candidate) and told.system and not told.away(model).any()
    assert jnp.asarray(told.away(model)).shape == ravel_pytree(model.params)[0].shape


def test_students_are_forecast_by_students_of_fresh_rows_against_those_of_the_base(monkeypatch):
    own, seen = words(ANIMALS, ("owl", "eagle")), []

    def trained(values):
        seen.extend(values)
        return values

    gain = lambda v: float(isinstance(v.data.teacher, Teacher)) + v.seed.copy % 2
    monkeypatch.setattr(student.make, "students", trained)
    monkeypatch.setattr(student, "log_odds", lambda v, traits, seed: {"owl": gain(v), "elm": 0.0})
    teacher = Teacher(FIVE, own[0], Setup().teaching, Seed(0, 5))
    found = student.shifts(teacher, own, NUMBERS, 30, Setup().student, Seed(0, 5), 4)
    assert found["owl"].mean == pytest.approx(1) and found["owl"].n == 4
    assert found["elm"].mean == 0
    assert len({v.seed for v in seen}) == 4 and {v.data.n_rows for v in seen} == {30}
    assert [v.data.teacher == FIVE for v in seen] == [False] * 4 + [True] * 4
    assert student.recipe(Setup().student, 7).batch == 7
