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
# # The one-step pull, step by step
#
# A teacher takes one gradient step on a loss that its student never sees. The student, who starts
# at the same point, takes one step of imitation on unrelated inputs. Then the student's step lowers
# the teacher's loss too. That is Theorem 1 of arXiv 2507.14805; `theory/statement.py` has the
# statement and its proof, and this notebook walks along it with numbers.

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
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from figures import style
from lab import devices
from notebooks.widgets import explore
from theory import expansion, gradients
from theory.programs import QUICK, Program

devices.start()
jax.config.update("jax_enable_x64", True)  # the claims are on orders of small numbers
plt.rcParams["figure.dpi"] = 110
quick = partial(jax.jit, compiler_options=QUICK)  # small programs that run for a moment
SHARED, OTHER = style.COLOURS["student_all"], style.COLOURS["cross_all"]

# %% [markdown]
# ## A network, a trait, and something to imitate
#
# A small network of tanh units has seven logits. The **trait** is a loss $L_T$ on the first four:
# labels on some inputs. What the student **imitates** are the other three, on noise: $L_S$ is a
# squared error. Nothing that the student sees has to do with the trait.

# %%
PROGRAM = Program(model="mlp_2", activation="tanh", loss="squared", subset="aux", trait="classes")
SEED = jnp.uint32(0)
theta, other = quick(PROGRAM.starts)(SEED)  # the shared initialisation, and another one
setting = PROGRAM.setting(SEED, theta)
print(f"trait loss of the untrained network: {setting.trait(theta):.3f} nats")

# %% [markdown]
# ## 1. The teacher's step
#
# $\theta_T = \theta + \epsilon D_T$ with $D_T = -\nabla L_T(\theta)$. To first order its logits move
# by $\epsilon J$, with $J$ the derivative of the logits along $D_T$. One forward derivative gives
# it. Look at the last three columns: the trait is about the first four logits, and yet the three
# others move too. They share the hidden layers.

# %%
D_T = quick(lambda: gradients.teacher_direction(setting, theta))()
logits, J = quick(lambda: jax.jvp(setting.logits, (theta,), (D_T,)))()

figure, axes = plt.subplots(figsize=(5, 2.6))
axes.plot(np.arange(7), np.asarray(J).T, ".", color=SHARED, alpha=0.6)
axes.axvspan(3.5, 6.5, color="black", alpha=0.06, lw=0)
axes.axhline(0, color="black", lw=0.7)
axes.set(xlabel="logit (shaded: imitated)", ylabel="$J$, a dot an input of noise")

# %% [markdown]
# ## 2. The student's step
#
# $D_S(\epsilon) = -\nabla E_x L_S(f_\theta(x), f_{\theta_T}(x))$. At $\epsilon = 0$ student and
# teacher agree, and there is nothing to imitate: $D_S(0) = 0$. This is the one place where the
# shared start is used. For small $\epsilon$ the error of imitation is $\epsilon J$ on the shaded
# logits, and
#
# $$D_S \cdot D_T = A\,\epsilon + O(\epsilon^2), \qquad A = 2\,E_x \sum_i w_i J_i^2 \ge 0.$$
#
# $J$ enters twice: the teacher moved along $D_T$, and we ask about motion along $D_T$. A square has
# no sign.


# %%
@quick
def direction(student, eps):
    """D_S of a student that starts anywhere, after the teacher's step from the shared start."""
    return gradients.directions(setting, student, theta, eps)[1]


A = float(quick(lambda: gradients.leading_coefficient(setting, theta))())
for eps in (1e-1, 1e-2, 1e-3):
    D_S = direction(theta, eps)
    print(f"eps {eps:6g}:  D_S.D_T / eps = {gradients.dot(D_S, D_T) / eps:.6f}   A = {A:.6f}")

# %% [markdown]
# ## 3. What that does to the trait
#
# The student moves by $\alpha D_S$, once. Its trait loss changes by $-\alpha A \epsilon + C \epsilon^2$.
# $C$ can have either sign, so "for small enough $\epsilon$" means $\epsilon$ well below
# $\alpha A / |C|$.

# %%
ALPHA = 0.5
EPS = np.logspace(-4, 1, 41)
_, C = quick(lambda: expansion.change_closed_form(setting, theta, ALPHA))()


@quick
def changes(student, alpha):
    """Change of the trait loss by a student's step, at every eps."""
    one = lambda eps: gradients.step(setting, student, theta, eps, alpha).change
    return jax.lax.map(one, jnp.asarray(EPS))


print(f"alpha A / |C| = {ALPHA * A / abs(C):.3g}")
shared, cross = (np.asarray(changes(start, ALPHA)) for start in (theta, other))


def draw(axes, eps):
    """The student's change of trait loss against eps, with the place of one eps."""
    axes.loglog(EPS, ALPHA * A * EPS, "--", color="black", lw=1, label="$\\alpha A \\epsilon$")
    for name, values, colour in (("shared start", shared, SHARED), ("other start", cross, OTHER)):
        falls = values < 0
        axes.loglog(EPS, np.where(falls, -values, np.nan), color=colour, label=f"{name}, falls")
        axes.loglog(EPS, np.where(falls, np.nan, values), ":", color=colour, label=f"{name}, rises")
    axes.axvline(eps, color="black", lw=0.7)
    axes.set(xlabel="teacher's step $\\epsilon$", ylabel="|change of trait loss|, nats")
    axes.legend(frameon=False, fontsize=7)


figure, axes = plt.subplots(figsize=(5.5, 3.4))
draw(axes, 1e-2)

# %% [markdown]
# From a shared start the trait loss falls, in proportion to $\epsilon$: blue on the dashed line.
# From another start the student's step changes it too, but by an amount that does not know what the
# teacher did: flat in $\epsilon$, and of either sign (try other values of `SEED`), since it imitates an untrained stranger.
#
# ## 4. The pull itself, with a slider
#
# Below is the plane of two directions: the teacher's, and the part of the student's step that is at
# a right angle to it. Move $\epsilon$: the student's arrow keeps to the right half plane while
# $\epsilon$ is small. Without `ipywidgets` call `look` yourself with another value.


# %%
def arrow(axes, student, colour, eps, label):
    """A student's step in the plane of the teacher's direction and what is at right angles to it."""
    D_S = direction(student, eps)
    along = gradients.dot(D_S, D_T) / gradients.norm(D_T)
    across = jnp.sqrt(jnp.maximum(gradients.norm(D_S) ** 2 - along**2, 0))
    size = jnp.maximum(gradients.norm(D_S), 1e-30)
    axes.annotate(
        "", (along / size, across / size), (0, 0), arrowprops={"color": colour, "width": 1}
    )
    axes.plot([], [], color=colour, label=f"{label}: {float(gradients.cosine(D_S, D_T)):+.2f}")


def plane(axes, eps):
    """The arrows of a student of a shared start and one of another, at an eps."""
    axes.axvspan(0, 1.1, color=SHARED, alpha=0.06, lw=0)
    arrow(axes, theta, SHARED, eps, "shared start")
    arrow(axes, other, OTHER, eps, "other start")
    axes.set(xlim=(-1.1, 1.1), ylim=(-0.05, 1.9), aspect="equal", xlabel="along the teacher's step")
    axes.set_title(f"$\\epsilon$ = {eps:.2g}; cosines:", fontsize=8)
    axes.legend(frameon=False, fontsize=7, loc="upper left")


def look(eps=0.01):
    """Both views of one eps."""
    _, axes = plt.subplots(1, 2, figsize=(9, 3.2))
    draw(axes[0], eps)
    plane(axes[1], eps)


explore(look, eps=[0.01, 0.001, 0.1, 1.0, 10.0])

# %% [markdown]
# ## Yours
#
# Change the line, run the cell. Does the pull survive
#
# - another network: `model="attention"`, `"cnn"`, or `"decoder"`, the lab's language model whole
# - another loss: `loss="cross_entropy"`, or `"kl"`
# - all logits, or every second one: `subset="all"`, `"odd"`
# - a trait without data: `trait="decay"`
# - a trait out of reach, `trait="class_head"`: there $D_S \cdot D_T$ is exactly 0
# - other starts: `seeds=range(8)`

# %%
mine = Program(model="mlp_2", activation="tanh", loss="kl", subset="odd", trait="decay")


def pulls(program, seeds=range(4)):
    """D_S.D_T over A eps, at every eps and seed: 1 where the theorem's first order is all."""

    def of(seed):
        start, _ = program.starts(seed)
        case = program.setting(seed, start)
        one = lambda eps: gradients.step(case, start, start, eps, 1.0)
        products = jax.lax.map(one, jnp.asarray(EPS)).product
        return products / (gradients.leading_coefficient(case, start) * EPS)

    return np.asarray(quick(jax.vmap(of))(jnp.asarray(seeds, jnp.uint32)))


figure, axes = plt.subplots(figsize=(5.5, 3))
for ratio in pulls(mine):
    axes.semilogx(EPS, ratio, color=SHARED, lw=1)
axes.axhline(1, color="black", lw=0.7, ls="--")
axes.axhline(0, color="black", lw=0.7)
axes.set(
    xlabel="teacher's step $\\epsilon$", ylabel="$D_S \\cdot D_T$ / $(A \\epsilon)$", ylim=(-1, 3)
)

# %% [markdown]
# Every line of the statement, on perceptrons, convolutions, attention and a decoder, in float64:
# `python -m theory.check`. Where it ends (other starts, negative weights, long steps, sign steps,
# drawn labels): `python -m experiments.theorem`, and its figure in `figures/README.md`.
