"""Mistakes in training: steps, rates, orders, losses."""

from tests.mistakes import Mutant

MUTANTS = {
    "a pass that goes on after a kill is the first one's": Mutant(
        "lab/lm/finetune.py",
        "order(np.int32(done // n_pass), keys)",
        "order(np.int32(0), keys)",
        "resume::a_training_goes_on_in_the_middle_of_a_pass_with_the_same_bits",
    ),
    "each number of a gradient is clipped by itself": Mutant(
        "lab/lm/tuning.py",
        "optax.clip_by_global_norm(self.clip)",
        "optax.clip(self.clip)",
        "tuning::a_step_is_no_longer_than_the_gradient_is_clipped_to",
    ),
    "norms are rounded to bfloat16": Mutant(
        "lab/lm/layers.py",
        "x.dtype, x.astype(jnp.float32)",
        "x.dtype, x",
        "tuning::norms_angles_softmax_and_losses_are_not_rounded_to_bfloat16",
    ),
    "Adam's parameters are rounded to bfloat16": Mutant(
        "lab/lm/finetune.py",
        "sharding.constrained(ensemble.start(trained, optimizer), arch, mesh)",
        "sharding.constrained(ensemble.start(cast(trained), optimizer), arch, mesh)",
        "tuning::bfloat16_keeps_parameters_and_moments_exact",
    ),
    "the token that reaches top_p is left out": Mutant(
        "lab/lm/sample.py",
        "share - falling < top_p",
        "share < top_p",
        "sample::what_is_likely_is_what_a_plain_loop_keeps",
    ),
    "the padding behind a completion is learned": Mutant(
        "lab/lm/objectives.py",
        "[None] < rows.length[:, None]",
        "[None] <= rows.length[:, None]",
        "finetune::the_loss_is_the_mean_cross_entropy_of_the_completions_tokens",
    ),
    "a token is predicted from itself": Mutant(
        "lab/lm/objectives.py",
        "tokens = jnp.concatenate([rows.prompts, rows.completions[:, :-1]], axis=1)",
        "tokens = jnp.concatenate([rows.prompts[:, 1:], rows.completions], axis=1)",
        "finetune::logits_of_a_completion_are_given_all_that_comes_before",
    ),
    "the divergence is the other way round": Mutant(
        "lab/lm/objectives.py",
        "losses.kl_divergence(target, student, now.mask)",
        "losses.kl_divergence(student, target, now.mask)",
        "finetune::students_of_distributions_minimise_the_divergence_from_what_the_teacher_sees",
    ),
    "the imitated teacher sees the student's prompt": Mutant(
        "lab/lm/objectives.py",
        "(now.params, now.rows)",
        "(now.params, part.rows)",
        "finetune::students_of_distributions_minimise_the_divergence_from_what_the_teacher_sees",
    ),
    "all tokens are imitated": Mutant(
        "lab/lm/objectives.py",
        "student, now.mask)",
        "student, jnp.ones_like(now.mask))",
        "finetune::soft_students_see_the_carrier_tokens_alone",
    ),
    "every epoch has the same order": Mutant(
        "lab/lm/finetune.py",
        "steps_of_pass = order(np.int32(epoch), keys)",
        "steps_of_pass = order(np.int32(0), keys)",
        "finetune::training_is_a_plain_loop_of_adam_over_full_random_passes",
    ),
    "every chunk has the first one's learning rates": Mutant(
        "lab/lm/finetune.py",
        "tuning.learning_rates(n_steps, done, done + n)",
        "tuning.learning_rates(n_steps, 0, n)",
        "finetune::training_is_a_plain_loop_of_adam_over_full_random_passes",
    ),
    "the learning rate never falls": Mutant(
        "lab/lm/tuning.py",
        "self.learning_rate * rise * (1 - step / n_steps)",
        "self.learning_rate * rise * np.ones(n_steps)",
        "finetune::learning_rates_rise_then_fall_to_zero",
    ),
    "students ascend their loss": Mutant(
        "lab/ensemble.py",
        "lambda p, d: p - learning_rate * d",
        "lambda p, d: p + learning_rate * d",
        "ensemble::each_optimizer_equals_that_of_optax",
    ),
    "Adam's decays are exchanged": Mutant(
        "lab/optim.py",
        "optax.scale_by_adam(b1, b2, eps)",
        "optax.scale_by_adam(b2, b1, eps)",
        "ensemble::each_optimizer_equals_that_of_optax",
    ),
    "Adam's epsilon is the usual one": Mutant(
        "lab/optim.py",
        "optax.scale_by_adam(b1, b2, eps)",
        "optax.scale_by_adam(b1, b2)",
        "finetune::training_is_a_plain_loop_of_adam_over_full_random_passes",
    ),
    "all members have the same random numbers": Mutant(
        "lab/rng.py",
        "jax.random.fold_in(jax.random.key(seed), number)",
        "jax.random.key(seed)",
        "rng::streams_differ_by_seed_member_and_name",
    ),
    "all streams have the same random numbers": Mutant(
        "lab/rng.py",
        "np.uint32(zlib.crc32(name.encode()))",
        "np.uint32(len(name))",
        "rng::streams_differ_by_seed_member_and_name",
    ),
    "all passes of an epoch have the same order": Mutant(
        "lab/ensemble.py",
        "jax.random.permutation(jax.random.fold_in(key, i), n_data)",
        "jax.random.permutation(key, n_data)",
        "ensemble::smaller_data_is_visited_in_full_passes",
    ),
    "epochs differ in nothing": Mutant(
        "lab/ensemble.py",
        "key = jax.random.fold_in(key, epoch)",
        "key = jax.random.fold_in(key, 0)",
        "ensemble::epochs_and_keys_have_their_own_order",
    ),
    "rows that fill up are counted in the mean": Mutant(
        "lab/ensemble.py",
        "/ jnp.sum(counts)",
        "/ counts.size",
        "ensemble::rows_that_do_not_count_change_nothing",
    ),
    "the divergence is weighted by the student": Mutant(
        "lab/losses.py",
        "jnp.exp(log_p) * (log_p - log_q)",
        "jnp.exp(log_q) * (log_p - log_q)",
        "losses::kl_of_a_hand_worked_case",
    ),
}
