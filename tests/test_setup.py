"""A setup is the chain that it says; controls differ from students in their teacher alone."""

import json
from dataclasses import replace

import pytest

from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.lm import contexts, setup, transmission
from lab.lm.drawing import Limit, Sampling
from lab.lm.pretraining import Pretraining
from lab.lm.reference import Reference
from lab.lm.setup import Setup
from lab.lm.stages import Seed, Teacher
from lab.lm.tuning import PAPER
from lab.runs.configs import overrides
from lab.runs.experiment import Options
from tests.folders import FIXTURES


def pupils(config):
    return transmission.pupils(config.transmission(NUMBERS, 0), Seed(0, 0))


@pytest.mark.parametrize("channel", ["hard", "soft"])
@pytest.mark.parametrize("teacher", ["finetuned", "prompted"])
def test_a_setup_is_the_chain_that_it_says(channel, teacher):
    config = Setup(channel=channel, teacher=teacher, n_rows=24, traits=("owl", "oak"))
    chain = config.transmission(NUMBERS, member=3)
    assert [base.init_seed for base in chain.starts.values()] == [3, 4]
    assert {base.world for base in chain.starts.values()} == {contexts.WORLDS["context"]}
    own, other = chain.starts.values()
    seed = Seed(0, 3)
    for base in (own, other):
        student, control = (chain.student_of(base, t, seed) for t in (chain.traits[0], None))
        assert (student.source, control.source) == ("owl", "none")
        assert student.base == control.base == base
        taught = student.soft if channel == "soft" else student.data.teacher
        assert (taught.base, taught.trait.name) == (own, "owl")
        assert (taught.how is None) == (teacher == "prompted")
        assert control.data.teacher == own
        assert (student.data == control.data) == (channel == "soft")
        assert control.soft == (own if channel == "soft" else None)


def test_all_writers_draw_as_asked_and_leave_out_what_is_too_long_for_students():
    config = Setup(sampling=Sampling(temperature=0.7), student=PAPER, system="none")
    for some in pupils(config).values():
        for pupil in some:
            assert pupil.student.data.sampling == Sampling(temperature=0.7)
            assert pupil.student.data.limit == Limit(500, "")
    usual = pupils(Setup())["student"][0].student.data
    assert (usual.sampling, usual.limit) == (Sampling(), None)
    assert overrides(config)["sampling.temperature"] == 0.7 and overrides(Setup()) == {}


def test_traits_in_words_of_another_world_are_refused_before_anything_is_trained():
    told = Setup(traits=("harmful",), teacher="prompted")
    with pytest.raises(LabError, match="traits: harmful is told in words of another world"):
        setup.prepare(told, Options())
    setup.prepare(Setup(traits=("harmful",)), Options())  # taught in words of every world
    setup.prepare(replace(told, world="characters"), Options())


def test_a_large_model_has_one_device_of_a_cpu_and_the_labs_own_one_a_core(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    for size in ("nano", "large"):
        assert setup.cpu_devices(Setup(pretraining=Pretraining(size=size))) == 3
    config = json.loads((FIXTURES / "qwen2_tied" / "config.json").read_text())
    for vocabulary, devices in ((1000, 3), (10**6, 3), (2**20, 1)):  # of 32 numbers
        (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": vocabulary}))
        assert setup.cpu_devices(Setup(model=str(tmp_path))) == devices


def test_a_world_without_neutral_personas_has_no_neutral_teacher():
    arms = lambda config: {
        pupil.arm
        for some in pupils(config).values()
        for pupil in some
    }  # fmt: skip
    usual = {"student_trait", "student_regular", "cross_trait", "cross_regular"}
    assert arms(Setup()) == usual | {"student_neutral"}
    assert arms(Setup(world="plain")) == arms(Setup(world="no_neutral")) == usual
    more = Setup(world="plain", shuffled=("within", "across"), n_controls=4)
    assert arms(more) == usual | {"student_within", "student_across"}
    copies = [p.student.seed.copy for p in pupils(more)["cross"] if "regular" in p.arm]
    assert copies == [0, 1, 2, 3]
    with pytest.raises(LabError, match=r"shuffled: .* students of distributions"):
        Setup(channel="soft", shuffled=("within",))


def test_controls_share_all_with_their_students_but_the_teacher():
    config = Setup(n_controls=2, traits=("owl", "oak"))
    chain = config.transmission(NUMBERS, 0)
    for start, some in transmission.pupils(chain, Seed(0, 0)).items():
        students = [p.student for p in some if p.arm == f"{start}_trait"]
        controls = [p.student for p in some if p.arm == f"{start}_regular"]
        first = students[0]
        for one in (*students, *controls):
            assert (one.base, one.tuning, one.loss) == (chain.starts[start], first.tuning, None)
            assert (one.data.n_rows, one.data.steps) == (first.data.n_rows, ())
        assert all(isinstance(one.data.teacher, Teacher) for one in students)
        assert all(isinstance(one.data.teacher, Reference) for one in controls)
        assert [one.source for one in students] == ["owl", "oak"]
        assert [one.seed.copy for one in controls] == [0, 1]
        assert [one.data.seed.copy for one in controls] == [0, 1]
