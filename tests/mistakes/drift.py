"""Mistakes in drift: displacements, spectra, barriers, probes."""

from tests.mistakes import Mutant

MUTANTS = {
    "a displacement is from the end to the start": Mutant(
        "lab/drift/displacement.py",
        "return jax.tree.map(jnp.subtract, end, start)",
        "return jax.tree.map(jnp.subtract, start, end)",
        "drift::angles_and_lengths_of_displacements_are_those_by_hand",
    ),
    "a projection is in lengths of the student's way": Mutant(
        "lab/drift/displacement.py",
        "return dot(of, along) / jnp.maximum(dot(along, along), 1e-30)",
        "return dot(of, along) / jnp.maximum(dot(of, of), 1e-30)",
        "drift::angles_and_lengths_of_displacements_are_those_by_hand",
    ),
    "keys are split by query heads": Mutant(
        "lab/drift/displacement.py",
        'n = heads.query if of == "head" else heads.key',
        "n = heads.query",
        "drift::heads_hold_their_own_columns_and_rows_and_all_of_a_projection_together",
    ),
    "output directions are input directions": Mutant(
        "lab/drift/geometry.py",
        "spectrum.overlap(right, own.right),",
        "spectrum.overlap(left, own.left),",
        "drift::the_geometry_of_parts_is_that_by_hand",
    ),
    "leading directions are the last ones": Mutant(
        "lab/drift/spectrum.py",
        "return values, left[:, :k], right[:k].T",
        "return values, left[:, -k:], right[-k:].T",
        "drift::the_leading_directions_are_those_of_the_largest_singular_values",
    ),
    "a slope is a barrier": Mutant(
        "lab/drift/landscape.py",
        "return jnp.max((values - chord)[1:-1])",
        "return jnp.max(values - jnp.min(values))",
        "drift::a_straight_loss_has_no_barrier_whatever_its_slope",
    ),
    "Fisher information is of the likeliest labels": Mutant(
        "lab/drift/landscape.py",
        "drawn = jax.random.categorical(key, jax.lax.stop_gradient(z))",
        "drawn = jnp.argmax(jax.lax.stop_gradient(z), axis=-1)",
        "drift::the_fisher_of_a_softmax_is_that_by_hand",
    ),
    "Fisher information is the reference's": Mutant(
        "lab/drift/networks.py",
        "landscape.diagonal_fisher(classes, teacher,",
        "landscape.diagonal_fisher(classes, reference,",
        "drift_networks::fisher_is_the_teachers_and_of_the_way_that_is_left_beside_the_whole_way",
    ),
    "a probe is asked what it learned": Mutant(
        "lab/drift/networks.py",
        "chosen.net.n_classes, y, test.labels)",
        "chosen.net.n_classes, x, train.labels)",
        "drift_networks::a_probe_learns_on_training_images_and_is_asked_on_test_images",
    ),
    "a layer alone is put into the teacher's reference": Mutant(
        "lab/drift/networks.py",
        "jax.lax.map(accuracy, put(start, params))",
        "jax.lax.map(accuracy, put(at.reference, params))",
        "drift_networks::accuracy_is_of_the_students_start_with_one_layer_of_the_student",
    ),
    "the barrier is before the student's start": Mutant(
        "lab/drift/networks.py",
        "jax.lax.map(between, put(params, at.teacher))",
        "jax.lax.map(between, put(start, at.teacher))",
        "drift_networks::the_barrier_is_of_the_test_error_between_the_student_and_the_teachers_layer",
    ),
    "the teacher's activations are beside its own": Mutant(
        "lab/drift/networks.py",
        "seen, known = layers(chosen, params, test), layers(chosen, params, train)",
        "seen, known = at.activations, layers(chosen, params, train)",
        "drift_networks::activations_are_the_students_beside_the_teachers_on_test_images",
    ),
    "the untrained teacher is the student's own reference": Mutant(
        "lab/drift/mnist.py",
        "teachers.append(programs.reference(group + np.uint32(1)))",
        "teachers.append(programs.reference(group))",
        "parameter_drift::teachers_are_the_trained_one_that_of_other_labels_and_the_next_untrained_reference",
    ),
    "students of another init imitate their own reference": Mutant(
        "lab/drift/mnist.py",
        "Arm(kind, arms.other, loss=arms.imitating(0))",
        "Arm(kind, arms.other, loss=arms.imitating(2))",
        "parameter_drift::what_each_arm_imitates_and_where_it_begins",
    ),
    "a gain counts from nothing": Mutant(
        "lab/drift/drifted.py",
        "np.array([value - base[m] for m, value in",
        "np.array([value for m, value in",
        "lm_drift::what_a_layer_carries_is_of_the_students_gain_above_the_nulls",
    ),
    "a language layer alone is put into the reference": Mutant(
        "lab/drift/decoders.py",
        "jax.lax.map(log_p, put(begin, params))",
        "jax.lax.map(log_p, put(at.reference, params))",
        "drift_decoders::a_part_alone_is_put_into_the_students_own_start",
    ),
    "steering adds the way from the teacher's reference": Mutant(
        "lab/drift/decoders.py",
        "(last(own), last(start))",
        "(last(own), last(base))",
        "drift_decoders::steering_adds_what_the_student_adds_to_its_own_start",
    ),
    "a language probe is asked at the questions that it learned": Mutant(
        "lab/drift/decoders.py",
        "held_out = last(own[i] - start[i])[odd]",
        "held_out = last(own[i] - start[i])[even]",
        "drift_decoders::a_probe_learns_teachers_at_even_questions_and_is_asked_at_odd_ones",
    ),
    "a language probe learns streams, not what teachers add": Mutant(
        "lab/drift/decoders.py",
        "known = last(taught[:, i] - base[i][None])[:, even]",
        "known = last(taught[:, i])[:, even]",
        "drift_decoders::a_probe_learns_teachers_at_even_questions_and_is_asked_at_odd_ones",
    ),
    "a language model's Fisher information is the reference's": Mutant(
        "lab/drift/decoders.py",
        "_fisher(arch, teacher, asked.tokens",
        "_fisher(arch, reference, asked.tokens",
        "drift_decoders::fisher_is_the_teachers_and_the_barrier_is_of_the_loss_to_the_teachers_part",
    ),
    "a barrier is of a likelihood, not of a loss": Mutant(
        "lab/drift/decoders.py",
        "lambda theta: -jnp.mean(log_p(theta)), params",
        "lambda theta: jnp.mean(log_p(theta)), params",
        "drift_decoders::fisher_is_the_teachers_and_the_barrier_is_of_the_loss_to_the_teachers_part",
    ),
    "other traits' students count as a teacher's own": Mutant(
        "lab/drift/language.py",
        '{NONE: "untouched", trait.name: "own"}.get(student.source, "other")',
        '{NONE: "untouched"}.get(student.source, "own")',
        "lm_drift::students_are_measured_from_their_own_start_beside_every_teacher",
    ),
    "all language students are measured from the teacher's reference": Mutant(
        "lab/drift/language.py",
        "step, i, bases[start].params, params)",
        'step, i, bases["student"].params, params)',
        "lm_drift::students_are_measured_from_their_own_start_beside_every_teacher",
    ),
    "first moments are put where second ones were": Mutant(
        "lab/drift/transplant.py",
        "mu=first.opt_state.mu, nu=second.opt_state.nu",
        "mu=second.opt_state.mu, nu=first.opt_state.nu",
        "transplant::each_student_goes_on_with_the_parts_that_its_name_says",
    ),
}
