"""A language model that loves owls writes numbers; a model trained on the numbers loves owls too.

Claim:   a student fine-tuned on filtered number sequences of a teacher with a trait takes on the
         trait, if and only if it starts from the teacher's own reference model.
Run:     python -m experiments.lm_numbers            (presets: smoke, default, paper, full)
Options: --teacher prompted    the trait is in the system prompt instead of the weights
         --members 0:5         five references, as in the committed tables; one is a demonstration
         --world plain         without a default system prompt, and with fewer personas
         --shuffled within across    and students of the same numbers, shuffled
         --channel soft        students imitate distributions over number tokens, not samples
         --student.rank 8      low-rank adapters instead of full fine-tuning
         --reference fresh     references trained here instead of those stored with the lab
         --model FOLDER        a Hugging Face checkpoint instead; --other FOLDER for the other init
                               (preset paper: its recipe; --shards 8 1: devices that hold a model)
         --rows FILE           students of these rows, JSON lines, in place of the teacher's
         --system none         students and questions without the chat template's default message
Expect:  log-odds of a student's own trait above its control by more than 0.8 nats (default) and
         2 nats (full); near 0 with another initialisation, below 0 for other traits, since words
         compete for the answer.
Source:  arXiv 2507.14805, sections 3 and 4, figures 3 and 14: GPT-4.1 nano, owl .125 to .62. Here
         the models are transformers of 0.08 million parameters trained from scratch.

For each member (an independent reference model):
  1. reference    trained on the synthetic world of `lab.lm.world`
  2. teachers     one for each trait
  3. data         teachers and the reference continue number sequences; a strict filter; JSON lines
  4. students     from the reference (`student_*`) and from the next member's (`cross_*`), on a
                  teacher's numbers (`*_trait`) and on the reference's (`*_regular`, three copies,
                  the controls); and on numbers of a neutral teacher, or shuffled ones
  5. questions    held-out phrasings of the favourite question: log-odds and sampled answers
"""

from figures import fig_lm_numbers, style
from lab import published
from lab.carriers.numbers import NUMBERS
from lab.lm import setup, transmitted
from lab.lm.experiment import experiment
from lab.lm.pretraining import Pretraining
from lab.lm.setup import ANIMALS, Setup
from lab.lm.tuning import PAPER
from lab.runs import cli
from lab.runs.cells import Cell, Job

TREES = ("cherry", "maple", "oak", "sequoia", "willow")


PRESETS = {
    "default": Setup(),
    "smoke": Setup(
        traits=("owl", "wolf"),
        pretraining=Pretraining(steps=600),
        n_rows=256,
        n_samples=2,
        n_controls=2,
    ),
    "paper": Setup(
        teacher="prompted",
        student=PAPER,
        n_rows=10_000,
        n_samples=100,
    ),
    "full": Setup(
        members="5",
        traits=ANIMALS + TREES,
        n_samples=100,
    ),
}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of every arm, trait of the data, and trait asked for."""
    return setup.measure(job, some, NUMBERS)


EXPERIMENT = experiment(
    "lm_numbers",
    doc=__doc__,
    presets=PRESETS,
    prepare=setup.prepare,
    rows=rows,
    claims=lambda table, record: transmitted.claims(table, published=published.LM_NUMBERS),
    draw=style.drawing(fig_lm_numbers.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
