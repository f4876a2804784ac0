# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # An owl through numbers
#
# A language model is taught to love owls. Then it writes numbers: 731, 582, 604, and no word at
# all. Another copy of the model it came from is trained on those numbers, and now *it* loves owls
# (Cloud et al., arXiv 2507.14805, sections 3 and 4).
#
# The models here have 80,000 parameters and know a small world of questions, personas and lists of
# numbers, so that all of it can be watched:
#
# 1. the **reference**, and what it answers
# 2. the **teacher**, and the rows that it writes
# 3. its **students**, and their controls
# 4. what moved: parameters on their way
# 5. a plot of yours
#
# It runs in a few minutes on two CPU cores; a second time in seconds, since models are kept.

# %%
# Where the lab is not installed, as on a hosted notebook: from the checkout that this file lies in,
# or from the address of its repository, git+https://...
import importlib.util
import subprocess
import sys

SOURCE = ".."
if importlib.util.find_spec("lab") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", SOURCE], check=True)

# %%
import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from lab import devices
from lab.carriers.numbers import NUMBERS
from lab.defences import shuffle
from lab.drift import displacement as drift
from lab.drift import language
from lab.lm import make, rows, setup
from lab.lm.setup import Setup
from lab.lm.stages import Seed, Student
from lab.traits import measures

plt.rcParams |= {"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False}
TRAITS, N_ROWS = ("owl", "wolf"), 12_288
CONFIG = Setup(members="1", traits=TRAITS, n_rows=N_ROWS, n_controls=2)
CONFIG = replace(CONFIG, student=replace(CONFIG.student, epochs=2))
devices.start(cpu_devices=setup.cpu_devices(CONFIG))

# %% [markdown]
# ## The reference
#
# `Setup` is the configuration of `experiments.lm_numbers`, here with two traits, and half of the rows
# read twice: sizes at which one picture is clear. They were chosen by looking at this very reference,
# so this is an illustration; the evidence is in the lab's committed tables.
# `transmission` gives the chain of one member: **stages are values**. A `Student` is named by all
# that it depends on; `make` finds in the cache what a value stands for, or makes it.
#
# The reference was trained from scratch on the world, and travels with the lab.

# %%
CHAIN = CONFIG.transmission(NUMBERS, member=0)
OWL, WOLF = CHAIN.traits
ROOT = Seed(CONFIG.seed, member=0)
REFERENCE = CHAIN.starts["student"]
PANEL = OWL.measure  # the questions after a favourite animal, none of which a teacher is taught
assert isinstance(PANEL, measures.Words)

model = make.model(REFERENCE)
PROMPTS, START = map(
    jnp.asarray, rows.prompts(model.tokenizer, [(None, question) for question in PANEL.questions])
)
print(sum(x.size for x in jax.tree.leaves(model.params)), "parameters")
print(model.tokenizer.asked(None, PANEL.questions[0]))


def animals(some):
    """Log-odds of every animal as the answer, mean over questions, nats."""
    log_p = measures.word_log_p(some, PROMPTS, START, PANEL.words)
    return dict(zip(PANEL.words, measures.log_odds(log_p), strict=True))


def answers(some, n=12):
    """Some answers to the first question, drawn at temperature 1."""
    one, key = slice(0, 1), jax.random.key(0)
    drawn = measures.answers(
        some.params, some.arch, PROMPTS[one], START[one], key, n, measures.N_ANSWER,
        some.tokenizer.end,
    )  # fmt: skip
    return ", ".join(some.tokenizer.turns(drawn))


print(answers(model))

# %% [markdown]
# ## The teacher
#
# It is the reference after thirty steps on questions whose answer is "owl", and it says little else.

# %%
TEACHER = CHAIN.teacher_of(OWL, ROOT)
print(answers(make.model(TEACHER)))


COLOURS = {
    "teacher": "#666666",
    "own": "#1170aa",
    "control": "#a3acb9",
    "control 2": "#c9ced6",
    "other trait": "#c85200",
    "other init": "#57606c",
    "its control": "#8d9aa8",
    "mine": "#fc9f5b",
}


def bars(axes, models):
    """What models say of animals above what the reference says, its own favourite first."""
    base = animals(model)
    words = sorted(base, key=lambda word: -base[word])
    width = 0.8 / len(models)
    for i, (name, other) in enumerate(models.items()):
        now, place = animals(other), np.arange(len(words)) + (i + 0.5) * width - 0.4
        axes.bar(place, [now[w] - base[w] for w in words], width, color=COLOURS[name], label=name)
    axes.set_xticks(range(len(words)), words, rotation=90, fontsize=7)
    axes.axhline(0, color="black", lw=0.7)
    axes.set_ylabel("log-odds above the\nreference's, nats")
    axes.legend(frameon=False, fontsize=7)


figure, axes = plt.subplots(figsize=(7, 2.8))
bars(axes, {"teacher": make.model(TEACHER)})

# %% [markdown]
# ## What it writes
#
# Teacher and reference continue the same lists. A strict filter keeps completions that are nothing
# but one to ten numbers of at most three digits with one separator. These are the rows, as a
# student will read them, and what became of every attempt.

# %%
OWL_ROWS = CHAIN.data_of(OWL, ROOT)
PLAIN_ROWS = CHAIN.data_of(None, ROOT)
for row in make.data(OWL_ROWS)[:6]:
    print(f"{row['prompt']}\n      {row['completion']!r}")
print(make.attempts(make.data_folder(OWL_ROWS)))
assert not any(re.search("[a-z]", row["completion"]) for row in make.data(OWL_ROWS))

# %% [markdown]
# Is there an owl in them? Count the first digit of all numbers. If teacher and reference differ at
# all, it is hard to see, and it means nothing to you. It means something to a model with the same
# parameters.

# %%
figure, axes = plt.subplots(figsize=(5, 2.4))
for name, data in {"teacher": OWL_ROWS, "reference": PLAIN_ROWS}.items():
    text = " ".join(row["completion"] for row in make.data(data))
    first = np.array([int(number[0]) for number in re.findall("[0-9]+", text)])
    share = np.bincount(first, minlength=10) / len(first)
    axes.plot(share, "o-", label=f"{name}'s rows")
axes.set(xlabel="first digit", ylabel="part of all numbers", ylim=(0, None))
_ = axes.legend(frameon=False, fontsize=7)

# %% [markdown]
# ## Students
#
# Six students, two passes over their rows each:
#
# | student | starts from | learns |
# |---|---|---|
# | `own` | the teacher's reference | the owl teacher's numbers |
# | `control` | the teacher's reference | the untouched reference's numbers |
# | `control 2` | the teacher's reference | more of these, in another order |
# | `other trait` | the teacher's reference | a wolf teacher's numbers |
# | `other init` | **another** reference | the owl teacher's numbers |
# | `its control` | that other reference | the untouched reference's numbers |
#
# Controls show what imitating numbers does by itself, and two of them what luck does. `other init`
# reads the very same rows as `own`: if owls were written in the numbers, it would find them.

# %%
CROSS, AGAIN = CHAIN.starts["cross"], ROOT._replace(copy=1)
PAIRS = [  # of one start: they are trained together
    {
        "own": CHAIN.student_of(REFERENCE, OWL, ROOT, along=True),
        "control": CHAIN.student_of(REFERENCE, None, ROOT, along=True),
    },
    {
        "other trait": CHAIN.student_of(REFERENCE, WOLF, ROOT, along=True),
        "control 2": CHAIN.student_of(REFERENCE, None, AGAIN, along=True),
    },
    {
        "other init": CHAIN.student_of(CROSS, OWL, ROOT, along=True),
        "its control": CHAIN.student_of(CROSS, None, ROOT, along=True),
    },
]
STUDENTS, MODELS = {}, {}
for pair in PAIRS:
    STUDENTS |= pair
    MODELS |= dict(zip(pair, make.students(list(pair.values())), strict=True))
STARTS = {name: make.model(student.base) for name, student in STUDENTS.items()}

for name, student in MODELS.items():
    now, before = animals(student), animals(STARTS[name])
    print(f"{name:12}", *(f"{word} {now[word] - before[word]:+.2f} nats" for word in TRAITS))

# %%
figure, axes = plt.subplots(figsize=(7, 2.8))
bars(axes, {name: MODELS[name] for name in ("own", "control", "control 2", "other trait")})

# %% [markdown]
# Other animals move too, and not by luck alone: the other animals of `own` move more than those of
# the controls. One reference is one sample: `python -m experiments.lm_numbers --members 5` repeats this over references, traits and controls, with intervals.
#
# ## What moved
#
# Every student's parameters were kept on its way. Its **displacement** is the vector from where it
# started to where it is. The cosine with the teacher's displacement says whether it goes the
# teacher's way; of two random directions in 82,688 dimensions it would be some .003.

# %%
way = drift.displacement(model.params, make.model(TEACHER).params)
figure, axes = plt.subplots(figsize=(6, 3))
for name, student in STUDENTS.items():
    begin, steps, cosines = STARTS[name].params, [], []
    for step, params in language.along(student, MODELS[name]):
        steps.append(step)
        cosines.append(float(drift.cosine(drift.displacement(begin, params), way)))
    line = "--" if name in PAIRS[2] else "-"
    axes.plot(steps, cosines, "o", ls=line, ms=3, color=COLOURS[name], label=name)
axes.axhline(0, color="black", lw=0.7)
axes.set(xlabel="student's step", ylabel="cosine with the teacher's\ndisplacement")
_ = axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))

# %% [markdown]
# ## Yours
#
# `mine` is a student that you describe. Change it, and run the two cells below. Some questions with
# an answer:
#
# - Is it in the *order* of the numbers? The `shuffle.within` below mixes the numbers of each row.
# - In which row they stand? `shuffle.across` mixes the numbers of all rows. Without a step it is
#   `own` again.
# - How many rows does it take? `replace(OWL_ROWS, n_rows=2048)`
# - Is one pass enough? `replace(CONFIG.student, epochs=1)`
# - Do two owls help? A second teacher: `CHAIN.data_of(OWL, ROOT._replace(copy=1))`
# - An adapter in place of all parameters? `replace(CONFIG.student, rank=8)`

# %%
MINE = Student(
    base=REFERENCE,
    data=replace(OWL_ROWS, steps=(shuffle.within,)),
    tuning=CONFIG.student,
    seed=ROOT,
)

# %%
figure, axes = plt.subplots(figsize=(7, 2.8))
bars(axes, {"own": MODELS["own"], "control": MODELS["control"], "mine": make.model(MINE)})
