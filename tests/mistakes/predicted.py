"""Mistakes in predictors along real training: coverage, gradient alignment."""

from tests.mistakes import Mutant

MUTANTS = {
    "a mixture is of the teacher's other part": Mutant(
        "theory/coverage.py",
        "protocol.reference(chosen, member + 1), pair.mixture)",
        "protocol.reference(chosen, member + 1), 1 - pair.mixture)",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "coverage of hidden layers is of the gradient": Mutant(
        "theory/coverage.py",
        "hidden(update), hidden(displacement)",
        "hidden(gradient), hidden(displacement)",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "what an update covers lacks the rate": Mutant(
        "theory/coverage.py",
        "projected_update=knobs.student_rate * part(update),",
        "projected_update=part(update),",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "the teacher's way begins at the student's start": Mutant(
        "theory/coverage.py",
        "displacement = jax.tree.map(jnp.subtract, teacher, reference)",
        "displacement = jax.tree.map(jnp.subtract, teacher, start)",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "ten batches are one": Mutant(
        "theory/coverage.py",
        "along(jax.grad(partial(imitation, rows))(start))",
        "along(jax.grad(partial(imitation, chosen.student.batch))(start))",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "transfer is from nothing": Mutant(
        "theory/coverage.py",
        '"transfer": (found.student - found.start) / gain,',
        '"transfer": found.student / gain,',
        "coverage::transfer_is_of_the_teachers_gain_from_the_students_own_start",
    ),
    "an update without its aligned part is a gradient without it": Mutant(
        "theory/alignment.py",
        'Arm("aux", after=aligned)',
        'Arm("aux", before=aligned)',
        "gradient_alignment::what_each_arm_does_to_a_gradient_an_update_or_a_loss",
    ),
    "the liminal pull is to the teacher": Mutant(
        "theory/alignment.py",
        "losses.kl_divergence(batch.reference, logits, batch.where)",
        "losses.kl_divergence(batch.target, logits, batch.where)",
        "gradient_alignment::the_liminal_loss_is_imitation_and_a_pull_to_the_reference_on_the_same_logits",
    ),
    "a cosine on many rows is a window's mean": Mutant(
        "theory/alignment.py",
        "float(v[first]) for k, v",
        "float(np.mean(v[window])) for k, v",
        "gradient_alignment::a_window_has_its_means_the_first_steps_many_rows_and_the_steps_that_end_it",
    ),
    "every arm begins as plain imitation": Mutant(
        "theory/alignment.py",
        "before = {arm: right(states[arm]) for arm in arms}",
        'before = {arm: right(states["imitation"]) for arm in arms}',
        "gradient_alignment::accuracies_before_training_are_those_of_untrained_references",
    ),
    "the cosine of hidden layers is of all": Mutant(
        "theory/alignment.py",
        "return cosine(a, b), cosine(hidden(a), hidden(b)),",
        "return cosine(a, b), cosine(a, b),",
        "gradient_alignment::a_probe_holds_the_imitation_against_the_class_loss_of_labelled_images",
    ),
    "the trait's loss is of all logits": Mutant(
        "theory/alignment.py",
        "logits = chosen.logits(params, x)[:, : chosen.net.n_classes]",
        "logits = chosen.logits(params, x)",
        "gradient_alignment::a_probe_holds_the_imitation_against_the_class_loss_of_labelled_images",
    ),
}
