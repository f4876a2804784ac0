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
# # Where does a student go?
#
# A *teacher* network starts from a random **reference** and learns to read digits. A *student*
# starts from the same reference, and only ever sees **noise**: it imitates what the teacher says
# about it. It never sees a digit, and still it learns to read them.
#
# This notebook looks at the parameters themselves. The teacher's **displacement** is the vector
# from the reference to where its training ended, with as many numbers as the network has. If the
# student learned what the teacher knows, it should have moved *along* that vector. Control
# students, who start from another reference, should not.
#
# You will train a few networks (half a minute), follow students on their way, see which layer and
# which directions hold the teacher's knowledge, and end with a plot of your own.

# %%
# Where the lab is not installed, as on a hosted notebook: from the checkout that this file lies in,
# or from the address of its repository, git+https://...
import importlib.util
import subprocess
import sys

SOURCE = ".."
if importlib.util.find_spec("lab") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", SOURCE], check=True)

# %% [markdown]
# ## A run to look at
#
# Put the path of a run folder here if you have one: any run of `experiments.mnist_aux_logits` with
# `--curves --snapshots`. Otherwise a small one is trained on the 8x8 digits that come with the lab.

# %%
RUN = None  # or "runs/mnist_aux_logits/..."

if RUN is None:
    command = "-m experiments.mnist_aux_logits smoke --dataset digits --members 4"
    words = [sys.executable, *command.split(), "--curves", "--snapshots", "--out", "runs/notebook"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    RUN = done.stdout.strip().splitlines()[-1]

# %% [markdown]
# The run kept the parameters of every network after every epoch, as safetensors files.
# `lab.drift.folders` finds them. Each network is a dictionary of layers: `dense_0` reads the
# pixels, `dense_2` gives ten class logits and three *auxiliary* ones that nobody ever trained.

# %%
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from lab.drift import displacement as drift
from lab.drift import folders, spectrum
from lab.mnist import epochs, images
from lab.mnist.protocol import Images
from lab.runs import cells, results
from lab.runs.experiment import named
from notebooks.widgets import explore

plt.rcParams |= {"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False}
RECORD = results.read_record(Path(RUN) / "run.json")
CONFIG = named(RECORD["experiment"]).config(RECORD)
MEMBERS = [int(m) for m in cells.members(CONFIG.members)][:-1]  # the last is another's control
ARMS = {
    "student_all": ("all logits", "#1170aa"),
    "student_aux": ("auxiliary logits", "#5fa2ce"),
    "cross_all": ("control: all logits, other reference", "#c85200"),
    "cross_aux": ("control: auxiliary logits, other reference", "#fc9f5b"),
}


def trees(arm, member):
    """The parameters of an arm of a member, by step."""
    snapshots = folders.opened("student", f"{RUN}/{arm}", member).snapshots
    return {s.step: jax.tree.map(jnp.asarray, s.load()) for s in snapshots}


def last(arm, member):
    """Where an arm's training ended."""
    return list(trees(arm, member).values())[-1]


def start(arm, member):
    """Where it began: controls are the next member's reference."""
    return last("reference", member + arm.startswith("cross"))


def ways(arm, member):
    """The displacements of an arm and of its teacher."""
    moved = drift.displacement(start(arm, member), last(arm, member))
    return moved, drift.displacement(last("reference", member), last("teacher", member))


print({layer: part["kernel"].shape for layer, part in last("reference", 0).items()})

# %% [markdown]
# ## Along its training
#
# For every student, after every epoch: the cosine of its displacement and its teacher's. In a
# space of this many dimensions two unrelated directions have a cosine close to 0, and so have the
# controls, although they imitate the very same teacher.

# %%
figure, axes = plt.subplots(figsize=(6, 3.2))
for arm, (label, colour) in ARMS.items():
    for member in MEMBERS:
        _, way = ways(arm, member)
        begin = start(arm, member)
        moved = {step: drift.displacement(begin, p) for step, p in trees(arm, member).items()}
        cosines = [float(drift.cosine(m, way)) for m in moved.values()]
        name = label if member == MEMBERS[0] else None
        axes.plot([0, *moved], [0, *cosines], "o-", ms=3, color=colour, label=name)
axes.axhline(0, color="black", lw=0.7)
axes.set(xlabel="student's step", ylabel="cosine with the teacher's displacement")
_ = axes.legend(fontsize=7, frameon=False, loc="center right", bbox_to_anchor=(1, 0.66))

# %% [markdown]
# ## Which layer?
#
# A cosine of the whole says nothing about where. Here it is by layer. And the sharper question:
# give the reference **one layer** of the student's displacement, leave the others as they were,
# and let it read digits. What works alone is enough; a layer that does nothing alone may still be
# needed together with others.
#
# In a live notebook there are sliders below. Here you see their first setting.

# %%
DATA = images.load(CONFIG.dataset)
TEST = Images(jnp.asarray(DATA.test_images), jnp.asarray(DATA.test_labels))


def accuracy(params):
    """Part of the test images that a network reads."""
    return float(epochs.accuracy(CONFIG, TEST, params))


def by_layer(arm, member):
    """Two panels: where the student points along its teacher, and what each layer brings."""
    moved, way = (drift.by_layer(x) for x in ways(arm, member))
    begin, end = start(arm, member), last(arm, member)
    layers = list(moved)
    alone = [accuracy(drift.transplanted(begin, end, layer)) for layer in layers]
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
    left.bar(layers, [float(drift.cosine(moved[x], way[x])) for x in layers], color=ARMS[arm][1])
    left.set(ylabel="cosine with the teacher's", title=f"{ARMS[arm][0]}, member {member}")
    left.axhline(0, color="black", lw=0.7)
    right.bar(layers, alone, color=ARMS[arm][1])
    right.axhline(accuracy(end), color="black", lw=1, label="whole student")
    right.axhline(accuracy(begin), color="black", lw=1, ls=":", label="reference")
    right.set(ylabel="accuracy with this layer alone", ylim=(0, 1))
    right.legend(fontsize=7, frameon=False)
    figure.tight_layout()


explore(by_layer, arm=list(ARMS), member=MEMBERS)

# %% [markdown]
# ## Which directions?
#
# The first layer's displacement is a matrix from 784 pixels to hidden units. Its leading singular
# directions are the patterns of pixels whose reading changed most, so they can be looked at. The
# teacher saw digits, the student saw noise. Do they look at the same thing? (A direction has no
# sign: red and blue may be exchanged.)
#
# The *overlap* of two sets of k directions is the mean squared cosine of the angles between them:
# 1 if they span the same space, and k / 784 for random ones.


# %%
def directions(arm, k, member):
    """The leading directions of pixels of a teacher and a student, as images."""
    own, known = (spectrum.leading(w["dense_0"]["kernel"], k)[1] for w in ways(arm, member))
    said = float(spectrum.overlap(own, known))
    figure, grid = plt.subplots(2, k, figsize=(1.1 * k, 2.7), squeeze=False)
    for row, vectors, name in zip(grid, (known, own), ("teacher", arm), strict=True):
        for i, panel in enumerate(row):
            panel.imshow(np.asarray(vectors[:, i]).reshape(28, 28), cmap="RdBu")
            panel.set(xticks=[], yticks=[])
        row[0].set_title(name, fontsize=8, loc="left")
    figure.suptitle(f"overlap {said:.2f}, random {k / 784:.3f}", fontsize=8, x=0.98, ha="right")


explore(directions, arm=list(ARMS), k=[6, 3, 1, 9], member=MEMBERS)

# %% [markdown]
# ## Your plot
#
# How much of the teacher's way has to be walked before digits can be read? The plot follows the
# straight line from the reference through the student, and past it. Change `MINE`, or what is
# measured: the line to the teacher, a control, one layer alone, a line further out. Does a control
# meet its teacher on any of them?

# %%
MINE = {"arm": "student_aux", "member": 0, "layer": "all", "furthest": 3.0}

begin = start(MINE["arm"], MINE["member"])
goal = drift.transplanted(begin, last(MINE["arm"], MINE["member"]), MINE["layer"])
parts = np.linspace(0, MINE["furthest"], 16)
read = [accuracy(jax.tree.map(lambda x, y, t=t: x + t * (y - x), begin, goal)) for t in parts]
figure, axes = plt.subplots(figsize=(6, 3))
axes.plot(parts, read, "o-", color=ARMS[MINE["arm"]][1])
axes.axvline(1, color="black", lw=0.7, ls=":")
axes.axhline(accuracy(last("teacher", MINE["member"])), color="black", lw=0.7)
title = ", ".join(f"{name} {value}" for name, value in MINE.items())
axes.set_title(title, fontsize=8, loc="left")
_ = axes.set(xlabel="part of the student's way", ylabel="accuracy")
