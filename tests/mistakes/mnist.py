"""Mistakes in the MNIST protocol, its arms and optimizers."""

from tests.mistakes import Mutant

MUTANTS = {
    "students of auxiliary logits imitate all": Mutant(
        "lab/mnist/protocol.py",
        'live & (logit >= net.n_classes) if which == "aux" else live',
        "live",
        "protocol::imitation_is_the_divergence_from_the_teacher_at_the_members_temperature",
    ),
    "all auxiliary logits are live": Mutant(
        "lab/mnist/protocol.py",
        "live = logit < net.n_classes + knobs.n_live_aux",
        "live = logit >= 0",
        "protocol::imitation_is_the_divergence_from_the_teacher_at_the_members_temperature",
    ),
    "temperature reaches no student": Mutant(
        "lab/mnist/protocol.py",
        "batch.where, batch.knobs.temperature)",
        "batch.where)",
        "protocol::imitation_is_the_divergence_from_the_teacher_at_the_members_temperature",
    ),
    "imitation is the divergence from the student": Mutant(
        "lab/mnist/protocol.py",
        "losses.kl_divergence(target, logits, batch",
        "losses.kl_divergence(logits, target, batch",
        "protocol::imitation_is_the_divergence_from_the_teacher_at_the_members_temperature",
    ),
    "fresh inputs are the first epoch's": Mutant(
        "lab/mnist/protocol.py",
        "rows = rows + epoch * protocol.rows_per_epoch",
        "rows = rows + 0 * epoch * protocol.rows_per_epoch",
        "protocol::fresh_inputs_differ_from_epoch_to_epoch_and_fixed_ones_do_not",
    ),
    "all members have the same inputs": Mutant(
        "lab/mnist/protocol.py",
        'rng.member(protocol.seed, member, "inputs")',
        'rng.member(protocol.seed, 0 * member, "inputs")',
        "protocol::members_have_inputs_of_their_own",
    ),
    "labels move the auxiliary logits": Mutant(
        "lab/mnist/epochs.py",
        "logits = protocol.logits(params, x)[:, : protocol.net.n_classes]",
        "logits = protocol.logits(params, x)",
        "protocol::labels_never_move_the_auxiliary_head",
    ),
    "auxiliary logits are answers": Mutant(
        "lab/mnist/epochs.py",
        "logits = protocol.logits(params, pixels(test.pixels), net)[:, : protocol.net.n_classes]",
        "logits = protocol.logits(params, pixels(test.pixels), net)",
        "protocol::accuracy_counts_class_logits_only",
    ),
    "targets are of other inputs": Mutant(
        "lab/mnist/epochs.py",
        "seen = Batch(protocol, knobs, x, target[rows], before, None, time)",
        "seen = Batch(protocol, knobs, x, target[rows[::-1]], before, None, time)",
        "protocol::the_loss_of_a_student_is_on_the_targets_of_its_own_inputs",
    ),
    "students take their teacher's steps": Mutant(
        "lab/mnist/epochs.py",
        "arm.direction(protocol.student), knobs.student_rate",
        "arm.direction(protocol.student), knobs.teacher_rate",
        "protocol::teachers_and_students_take_steps_of_their_own_rate",
    ),
    "a student's loss is of the logits of the class": Mutant(
        "lab/mnist/epochs.py",
        "imitated(arm.net or protocol.net, knobs, arm.imitates)",
        'imitated(arm.net or protocol.net, knobs, "all")',
        "protocol::the_loss_of_a_student_is_on_the_targets_of_its_own_inputs",
    ),
    "the control of another init has its teacher's": Mutant(
        "lab/mnist/arms.py",
        "return reference(protocol, member + 1, net)",
        "return reference(protocol, member, net)",
        "protocol::students_start_from_the_teachers_reference_and_cross_students_never_do",
    ),
    "a mixture of initialisations shrinks": Mutant(
        "lab/mnist/arms.py",
        "jnp.sqrt(1 - part**2) * x",
        "(1 - part) * x",
        "arms::a_mixture_of_initialisations_has_their_spread",
    ),
    "a cloned start imitates itself": Mutant(
        "lab/mnist/arms.py",
        "outputs = lambda e: targets(chosen, train, e, member, base)",
        "outputs = lambda e: targets(chosen, train, e, member, base) * 0",
        "arms::a_cloned_start_is_nearer_to_the_references_outputs_than_an_uncloned_one",
    ),
    "students have their teacher's learning rate": Mutant(
        "lab/mnist/train.py",
        "student_rate=same(chosen.student.learning_rate",
        "student_rate=same(chosen.teacher.learning_rate",
        "train::teachers_and_students_have_the_numbers_of_their_own_optimizer",
    ),
    "fresh inputs have the first epoch's targets": Mutant(
        "lab/mnist/train.py",
        "if targets is None or chosen.fresh_inputs:",
        "if targets is None:",
        "train::targets_are_of_the_trained_teacher_and_of_each_epoch_if_its_inputs_are_fresh",
    ),
    "RMSprop has momentum": Mutant(
        "lab/mnist/optimizers.py",
        'Optim("adam", b1=0.0)',
        'Optim("adam", b1=0.9)',
        "arms::every_optimizer_of_the_ladder_takes_the_step_of_its_name",
    ),
    "Signum has no momentum": Mutant(
        "lab/mnist/optimizers.py",
        '{"optim": Optim("sign"), "before": optax.trace(decay=0.9)}',
        '{"optim": Optim("sign")}',
        "arms::every_optimizer_of_the_ladder_takes_the_step_of_its_name",
    ),
    "frozen scales freeze a step early": Mutant(
        "lab/mnist/optimizers.py",
        "moving = count <= steps",
        "moving = count < steps",
        "arms::frozen_adam_is_adam_until_its_scales_freeze_and_momentum_by_them_after",
    ),
    "noise on kernels is one for all members": Mutant(
        "lab/mnist/factors.py",
        'rng.member(protocol.seed, member, "noise on kernels")',
        'rng.member(protocol.seed, 0 * member, "noise on kernels")',
        "arms::noise_on_kernels_has_its_size_and_biases_have_none",
    ),
    "teachers of all members read their images in one order": Mutant(
        "lab/mnist/epochs.py",
        'rng.member(protocol.seed, member, "teacher/order")',
        'rng.member(protocol.seed, 0 * member, "teacher/order")',
        "protocol::each_member_has_orders_of_its_own_for_its_teacher_and_for_its_students",
    ),
}
