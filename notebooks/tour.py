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
# # Subliminal learning in five minutes
#
# A teacher learns to read digits. A student never sees a digit: it imitates *three numbers that mean
# nothing* on *noise*. It learns to read digits all the same, if and only if it started from the same
# random initialisation as its teacher (Cloud et al., arXiv 2507.14805, section 5).
#
# 1. the effect, and the control that shows what it rests on
# 2. why: the student is pulled along the teacher's own path
# 3. a plot of yours
#
# It runs in about a minute on two CPU cores.

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
import jax
import matplotlib.pyplot as plt
import numpy as np

from figures import style
from lab import devices
from lab.mnist import arms, images, train
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Arm, Protocol
from lab.optim import Optim
from lab.runs import results
from theory.gradients import cosine

devices.start()
plt.rcParams["figure.dpi"] = 110

# %% [markdown]
# ## The cast
#
# A network has ten **class logits** and three **auxiliary logits**. The teacher is trained on
# digits through the class logits alone: nothing ever asks anything of the auxiliary ones. Its
# **students** imitate it on uniform noise. An *arm* says what a student imitates, and where it starts:
#
# | arm | imitates | starts from |
# |---|---|---|
# | `student_aux` | the three auxiliary logits | the teacher's own initialisation |
# | `student_all` | all thirteen | the teacher's own initialisation |
# | `cross_aux` | the three auxiliary logits | another initialisation |
# | `cross_all` | all thirteen | another initialisation |
#
# Sizes here are small, and the digits are the 8x8 ones that ship with the lab. Each **member** is
# an experiment of its own, with its own initialisation, teacher and students; all are trained at once.

# %%
DATA = images.digits()
MEMBERS = np.arange(4)
PROTOCOL = Protocol(
    net=MLP(hidden=(64, 64), n_aux=3),
    teacher=Optim(learning_rate=1e-3, batch=64, epochs=1),
    student=Optim(learning_rate=1e-3, batch=64, epochs=3),
    rows_per_epoch=6_000,
)

figure, axes = plt.subplots(1, 2, figsize=(4, 2))
noise = np.random.default_rng(0).uniform(-1, 1, (28, 28))
pictures = {"teachers see": DATA.train_images[0].reshape(28, 28), "students see": noise}
for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(picture, cmap="gray")
    ax.set_title(title, fontsize=9)
    ax.axis("off")


# %%
def trained(protocol, some):
    """Accuracies after every epoch as a table, and the parameters of every arm by step."""
    kept = {}

    def keep(arm, step, parameters):
        kept[arm, step] = parameters

    trainer = train.Trainer(protocol, some, DATA, curves=True, snapshots=keep)
    n = len(MEMBERS)
    rows = []
    for _, _, new in trainer.train(MEMBERS, n, train.knobs(protocol, n)):
        rows += [row | {"member": int(MEMBERS[i])} for i, row in new]
    return results.columns(rows), kept


table, kept = trained(PROTOCOL, arms.STUDENTS)
for arm, estimate in results.estimates(table, "accuracy").items():
    print(f"{arm:12} accuracy {estimate.mean:.2f}  ({estimate.low:.2f} to {estimate.high:.2f})")


# %% [markdown]
# ## The effect, and its control
#
# Below, a thin line is a member, a thick one their mean. Blue students share their teacher's
# initialisation, orange ones do not. Three logits of noise teach digits to the blue ones; to the
# orange ones they teach nothing at all. That is the control: the data are the same, so it is not
# the data alone that hold the trait.
#
# With *all* logits imitated even an orange student learns: the class logits are among them, and
# those do say something of digits, on noise too.


# %%
def curves(axes, table, some):
    """Accuracy of arms after every epoch of imitation."""
    for arm, colour in some.items():
        steps, each = results.curves(table, arm, "step", "accuracy")
        axes.plot(steps, each.T, color=colour, lw=0.6, alpha=0.6)
        axes.plot(steps, each.mean(axis=0), color=colour, lw=2, label=arm)
    axes.axhline(0.1, color="black", lw=0.7, ls="--")
    axes.set(
        xlabel="student's step (dashed: chance)", ylabel="accuracy on test digits", ylim=(0, 1)
    )
    axes.legend(frameon=False, fontsize=8)


figure, axes = plt.subplots(figsize=(5.5, 3.4))
curves(axes, table, {arm: style.COLOURS[arm] for arm in arms.STUDENTS})

# %% [markdown]
# ## Why
#
# Training moved the teacher's parameters by some vector, its displacement. A theorem says where one
# small step of imitation moves a student that starts at the same point: never against that vector,
# whatever is imitated, and on whatever inputs (notebook `theorem`). Here are many steps, and Adam.
# So let us look: the cosine of each student's displacement and its teacher's. Vectors of tens of
# thousands of numbers that have nothing to do with each other have cosines of nearly 0.


# %%
def displacement(arm, start):
    """What training changed, for each member."""
    last = max(step for name, step in kept if name == arm)
    return jax.tree.map(lambda end, begin: end - begin, kept[arm, last], start)


reference = kept["reference", 0]
# The other initialisation of a member is the next member's own. The last member's is not among
# those kept, so it is left out of this plot.
some = {"student_aux": reference, "student_all": reference}
next_one = jax.tree.map(lambda x: np.roll(x, -1, axis=0), reference)
some |= {"cross_aux": next_one, "cross_all": next_one}
teachers = displacement("teacher", reference)

figure, axes = plt.subplots(figsize=(5.5, 3))
for i, (arm, start) in enumerate(some.items()):
    values = np.asarray(jax.vmap(cosine)(displacement(arm, start), teachers))[:-1]
    axes.plot(np.full(len(values), i), values, "o", color=style.COLOURS[arm])
    print(f"{arm:12} cosine {values.mean():+.3f}")
axes.axhline(0, color="black", lw=0.7)
axes.set_xticks(range(len(some)), some)
axes.set_ylabel("cosine with the teacher's\ndisplacement, a dot a member")

# %% [markdown]
# Students of a shared initialisation have moved toward their teacher, through parameters that the
# auxiliary logits and the class logits have in common. Those of another have imitated as well as
# they could, and that leads elsewhere.
#
# ## Yours
#
# Change a line and run the two cells below. Some questions with an answer:
#
# - How much of the initialisation must be shared? `start=arms.mixed(0.3)`: 0 is the teacher's own,
#   1 is another.
# - Do more auxiliary logits teach more? `n_aux=10`
# - Does it need noise? `inputs="images"` imitates on digits, whose labels nobody tells.
# - Is it Adam? `optimizer="sgd", learning_rate=0.1`

# %%
MINE = Arm("aux", start=arms.mixed(0.5))
MY_PROTOCOL = Protocol(
    net=MLP(hidden=(64, 64), n_aux=3),
    teacher=PROTOCOL.teacher,
    student=Optim(optimizer="adam", learning_rate=1e-3, batch=64, epochs=3),
    inputs="uniform",
    rows_per_epoch=6_000,
)

# %%
ours, _ = trained(MY_PROTOCOL, {"student_aux": arms.STUDENTS["student_aux"], "mine": MINE})
figure, axes = plt.subplots(figsize=(5.5, 3.4))
curves(axes, ours, {"student_aux": style.COLOURS["student_aux"], "mine": "black"})

# %% [markdown]
# The same at the paper's sizes, with a table, intervals and verdicts:
# `python -m experiments.mnist_aux_logits paper`. All figures: `figures/README.md`.
