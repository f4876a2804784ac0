"""Mistakes that one could make in the science, a line each, and the tests that must notice.

Run:     python -m tests.mutants [--jobs 1] [NAME ...]      (a part of a name is enough)
Time:    5 to 30 seconds a mutant on a quiet machine.

A mutant is a text that stands once in a file of the lab, and what stands there instead. It is
killed if pytest says that tests failed, not if it could not run them. Exits with 1 if one lives.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tests import warm

ROOT = Path(__file__).parents[1]
PACKAGES = ("lab", "theory", "figures", "experiments", "tests")
FAILED = 1  # pytest's exit status for tests that failed


class Mutant(NamedTuple):
    """A mistake in a file of `lab`, and the tests that notice, "file::name" without "test_"."""

    file: str
    right: str
    wrong: str
    tests: str

    @property
    def nodes(self) -> list[str]:
        """The tests as pytest names them."""
        return [node(test) for test in self.tests.split()]


def node(test: str) -> str:
    """ "effects::x" is test_x of tests/test_effects.py; "effects" the whole file."""
    file, _, name = test.partition("::")
    return f"tests/test_{file}.py" + (f"::test_{name}" if name else "")


STATS = {
    "the intervals of clusters lack their correction": Mutant(
        "stats.py",
        "np.sum(sums**2) * len(names) / (len(names) - 1)",
        "np.sum(sums**2)",
        "effects::a_clustered_interval_widens_when_clusters_agree_within",
    ),
    "the values of a cluster count as independent in the t": Mutant(
        "stats.py",
        "half = special.stdtrit(len(names) - 1, (1 + level) / 2) * error",
        "half = special.stdtrit(len(values) - 1, (1 + level) / 2) * error",
        "effects::a_clustered_interval_widens_when_clusters_agree_within",
    ),
    "two clusters have an interval": Mutant(
        "stats.py",
        "if len(names) < 3:",
        "if len(names) < 2:",
        "effects::fewer_than_three_clusters_count_values_as_independent",
    ),
    "the spread of a sample is that of a population": Mutant(
        "stats.py", "np.std(values, ddof=1)", "np.std(values)", "stats::interval_equals_scipys"
    ),
    "an interval is one-sided": Mutant(
        "stats.py",
        "half = special.stdtrit(n - 1, (1 + level) / 2)",
        "half = special.stdtrit(n - 1, level)",
        "stats::interval_equals_scipys",
    ),
    "traits are exchanged across categories": Mutant(
        "stats.py",
        '["one"] * len(matrix) if groups is None else groups',
        '["one"] * len(matrix)',
        "effects::rows_are_matched_within_their_group_alone",
    ),
    "the true matching is not counted": Mutant(
        "stats.py",
        "sums >= np.trace(matrix) - 1e-12",
        "sums > np.trace(matrix) + 1e-12",
        "effects::the_permutation_test_is_smallest_for_a_dominant_diagonal_and_1_for_the_opposite",
    ),
    "the true matching is not among the drawn ones": Mutant(
        "stats.py",
        "sums = np.append(sum(drawn), np.trace(matrix))",
        "sums = sum(drawn)",
        "effects::matchings_of_a_large_group_are_drawn_and_the_true_one_is_counted",
    ),
    "a column is matched twice": Mutant(
        "stats.py",
        "free = (used[:, None] & bits[None]) == 0",
        "free = (used[:, None] & bits[None]) >= 0",
        "effects::the_permutation_test_counts_every_matching",
    ),
    "tied ranks are not shared": Mutant(
        "stats.py",
        "return (below + up_to + 1) / 2",
        "return up_to + 0.0",
        "stats::spearman_and_auroc_equal_scipys",
    ),
}
EFFECTS = {
    "the control of cross_trait is student_regular": Mutant(
        "lm/effects.py",
        'arm.partition("_")[0] + "_regular"',
        '"student_regular"',
        "effects::an_effect_is_against_the_mean_of_the_controls_of_the_same_start",
    ),
    "teachers are compared with control students": Mutant(
        "lm/effects.py",
        'return "reference" if arm == "teacher"',
        'return "student_regular" if arm == "teacher"',
        "effects::an_effect_is_against_the_mean_of_the_controls_of_the_same_start",
    ),
    "the control is asked for another trait": Mutant(
        "lm/effects.py",
        " - _array(controls, members, traits)",
        " - _array(controls, members, traits).swapaxes(1, 2)",
        "effects::an_effect_is_against_the_mean_of_the_controls_of_the_same_start",
    ),
    "one control stands for all": Mutant(
        "lm/effects.py",
        "return {place: float(np.mean(v)) for place, v",
        "return {place: float(v[0]) for place, v",
        "effects::an_effect_is_against_the_mean_of_the_controls_of_the_same_start",
    ),
    "the other students include the own": Mutant(
        "lm/effects.py",
        "chosen = ~np.eye(self.n_traits, dtype=bool)",
        "chosen = np.ones((self.n_traits, self.n_traits), bool)",
        "effects::others_are_of_the_same_category_or_of_another",
    ),
    "others of the category are those of another": Mutant(
        "lm/effects.py",
        "(names[:, None] == names[None]) == same",
        "(names[:, None] == names[None]) != same",
        "effects::others_are_of_the_same_category_or_of_another",
    ),
    "others are other questions, not other students": Mutant(
        "lm/effects.py",
        "total = np.sum(np.where(chosen[None], self.values, 0.0), axis=1)",
        "total = np.sum(np.where(chosen[None], self.values, 0.0), axis=2)",
        "effects::others_are_of_the_same_category_or_of_another",
    ),
    "only students are centred": Mutant(
        "lm/effects.py",
        "rest = v - rows - columns + v.mean(axis=(1, 2), keepdims=True)",
        "rest = v - rows",
        "effects::centring_takes_away_what_a_student_does_to_all_words_and_all_students_to_a_word",
    ),
    "categories are centred together": Mutant(
        "lm/effects.py",
        "own = np.flatnonzero(names == name)",
        "own = np.arange(len(names))",
        "effects::centring_takes_away_what_a_student_does_to_all_words_and_all_students_to_a_word",
    ),
    "the permutation test forgets the categories": Mutant(
        "lm/effects.py",
        'f"{i} {name}" for',
        'f"{i}" for',
        "effects::the_test_of_all_members_exchanges_in_each_of_them_within_categories",
    ),
    "the permutation test exchanges members": Mutant(
        "lm/effects.py",
        'f"{i} {name}" for',
        "name for",
        "effects::the_test_of_all_members_exchanges_in_each_of_them_within_categories",
    ),
    "luck is against a mean that it is in": Mutant(
        "lm/effects.py",
        "v[0] - np.mean(v[1:]) if",
        "v[0] - np.mean(v) if",
        "effects::luck_is_the_first_control_against_the_others",
    ),
    "students are the clusters, not members": Mutant(
        "lm/effects.py",
        "clusters = np.repeat(np.arange(n_members), n_traits)",
        "clusters = np.arange(n_members * n_traits)",
        "effects::members_are_the_clusters_of_an_estimate",
    ),
    "a student's own values are its first trait's": Mutant(
        "lm/effects.py",
        "return np.array([[found[m, t, t] for t in traits] for m in members])",
        "return np.array([[found[m, t, min(traits)] for t in traits] for m in members])",
        "effects::own_values_are_no_differences",
    ),
    "students of the own trait are the others of a figure": Mutant(
        "lm/effects.py",
        "trait != asked if other",
        "trait == asked if other",
        "effects::values_of_a_figure_are_of_one_student_each",
    ),
}
CLAIMED = {
    "the null is that of another start": Mutant(
        "lm/transmitted.py",
        'null = estimate(effects.luck(table, "student", value))',
        'null = estimate(effects.luck(table, "cross", value))',
        "transmitted::the_null_is_a_control_in_a_students_place",
    ),
    "students of another init are those of the own": Mutant(
        "lm/transmitted.py",
        'effects.effects(table, "cross_trait", value)',
        'effects.effects(table, "student_trait", value)',
        "transmitted::each_claim_has_its_own_control_and_number",
    ),
    "what shuffling leaves is what it takes": Mutant(
        "lm/transmitted.py",
        "lost = estimate(own.diagonal - rest.diagonal)",
        "lost = estimate(rest.diagonal)",
        "transmitted::each_claim_has_its_own_control_and_number",
    ),
    "a trait is compared with those of other categories": Mutant(
        "lm/transmitted.py",
        "pair = own.diagonal - within",
        "pair = own.diagonal - across",
        "transmitted::what_is_made_of_other_traits_is_of_the_same_category",
    ),
    "a gain within a category is the plain gain": Mutant(
        "lm/transmitted.py",
        "np.log(p / np.maximum(mass - p, 1e-12))",
        "np.log(p / mass)",
        "transmitted::a_gain_among_the_words_of_a_category_alone_is_worked_by_hand",
    ),
    "references of choices give a result": Mutant(
        "lm/transmitted.py",
        "enough = len(set(members)) >= FEWEST and max(members) < TUNED",
        "enough = len(set(members)) >= FEWEST",
        "transmitted::too_few_references_or_those_of_choices_are_a_demonstration",
    ),
    "one reference gives a result": Mutant(
        "lm/transmitted.py",
        "enough = len(set(members)) >= FEWEST and max(members) < TUNED",
        "enough = max(members) < TUNED",
        "transmitted::too_few_references_or_those_of_choices_are_a_demonstration",
    ),
    "an experiment's few references give a result": Mutant(
        "lm/experiment.py",
        '        return transmitted.judged(found, table["member"].tolist(), one_base)',
        "        return found",
        "lm_experiments::few_references_are_a_demonstration_in_every_experiment",
    ),
    "a checkpoint's repetitions give a result": Mutant(
        "lm/experiment.py",
        '"model" in record["dataset"]',
        "False",
        "lm_experiments::repetitions_with_one_checkpoint_are_a_demonstration",
    ),
    "another init is claimed to show an effect": Mutant(
        "lm/transmitted.py",
        'more = rules.absent(e, least, passed, "the same data, own init")',
        "more = rules.effect(e, null, least)",
        "transmitted::verdicts_follow_the_rules_and_bounds",
    ),
    "one p value in two holds": Mutant(
        "lm/transmitted.py",
        "RARE = 0.05",
        "RARE = 0.5",
        "transmitted::a_reference_in_five_whose_students_match_the_other_trait_is_too_many",
    ),
    "teachers' lists count as students' answers": Mutant(
        "lm/transmitted.py",
        'np.char.startswith(table["arm"].astype(str), "student_")',
        'np.char.startswith(table["arm"].astype(str), "")',
        "transmitted::rates_are_of_own_traits_and_of_untaught_models",
    ),
}
RULES = {
    "nothing is found by what finds nothing anywhere": Mutant(
        "runs/claims.py",
        'verdict if seen or verdict != "holds" else "open"',
        "verdict",
        "claims::what_finds_nothing_where_there_is_something_says_nothing",
    ),
    "an effect need not be clear of its null": Mutant(
        "runs/claims.py", "clear = e.low > null.high if", "clear = e.low > 0 if", "claims"
    ),
    "any difference matters": Mutant(
        "runs/claims.py", "(apart >= abs(least))", "(apart > 0)", "claims"
    ),
    "an effect of the other sign is one": Mutant(
        "runs/claims.py",
        "apart = sign * (e.mean - null.mean)",
        "apart = abs(e.mean - null.mean)",
        "claims",
    ),
    "nothing is a mean near 0": Mutant(
        "runs/claims.py",
        "elif -within <= e.low and e.high <= within:",
        "elif abs(e.mean) <= within:",
        "claims",
    ),
    "an interval with 0 in it refutes nothing": Mutant(
        "runs/claims.py",
        "abs(e.mean) > within and not e.low <= 0 <= e.high",
        "abs(e.mean) > within",
        "claims",
    ),
    "any number above chance reproduces in part": Mutant(
        "runs/claims.py", "/ (mean - chance) >= 0.5", "/ (mean - chance) >= 0.0", "claims"
    ),
    "too few runs reproduce": Mutant(
        "runs/claims.py", '"open" if _lacks(e) or vague', '"open" if _lacks(e)', "claims"
    ),
    "a single run has a verdict": Mutant(
        "runs/claims.py",
        "any(math.isnan(x) for x in (e.mean, e.low, e.high))",
        "math.isnan(e.mean)",
        "claims",
    ),
}
SAMPLING = {
    "every token of a completion is drawn with the same random number": Mutant(
        "lm/sample.py",
        "jax.random.fold_in(k, step)",
        "jax.random.fold_in(k, 0)",
        "sample::every_token_of_a_completion_has_a_random_number_of_its_own",
    ),
    "normal noise has an infinite pixel now and then": Mutant(
        "mnist/inputs.py",
        "jnp.maximum(half_open, -1.0 + 2.0**-23)",
        "half_open + 2.0**-23",
        "inputs::noise_of_the_first_and_the_last_random_word_is_finite_once_compiled",
    ),
    "temperature is upside down": Mutant(
        "lm/sample.py",
        "hidden) / temperature",
        "hidden) * temperature",
        "sample::a_greedy_completion_is_the_argmax_of_full_forwards",
    ),
    "something follows the end": Mutant(
        "lm/sample.py",
        "token = jnp.where(p.ended, end, draw(hidden[:, 0], p.step))",
        "token = draw(hidden[:, 0], p.step)",
        "sample::nothing_follows_the_end",
    ),
    "a token is written one place too late": Mutant(
        "lm/sample.py",
        "n_prompt + p.step - 1",
        "n_prompt + p.step",
        "sample::a_greedy_completion_is_the_argmax_of_full_forwards",
    ),
    "a slot's rows are written on after their end": Mutant(
        "lm/slots.py",
        "jnp.where(ended, n_rows, row), step]",
        "row, step]",
        "sample::rows_that_take_the_slots_of_others_are_drawn_as_they_are_side_by_side",
    ),
    "a slot's tokens are written one place too late": Mutant(
        "lm/slots.py",
        "n_prompt + step - 1",
        "n_prompt + step",
        "sample::rows_that_take_the_slots_of_others_are_drawn_as_they_are_side_by_side",
    ),
    "new rows take the slots of those that have not ended": Mutant(
        "lm/slots.py",
        "jnp.argsort(~p.slots.ended)",
        "jnp.argsort(p.slots.ended)",
        "sample::rows_that_take_the_slots_of_others_are_drawn_as_they_are_side_by_side",
    ),
    "slots wait until all rows have ended": Mutant(
        "lm/slots.py",
        "jnp.sum(p.slots.ended) < n_freed",
        "~jnp.all(p.slots.ended)",
        "sample::a_freed_slot_does_not_wait_for_the_longest_row",
    ),
    "all rows are turned as far as the first": Mutant(
        "lm/transformer.py",
        "position = jnp.maximum(at - start",
        "position = jnp.maximum(at[:1] - start",
        "sample::rows_that_go_on_from_places_of_their_own_are_as_if_alone",
    ),
    "all rows see as far as the first": Mutant(
        "lm/attention.py",
        "s[None, None] <= at[:, :, None]",
        "s[None, None] <= at[:1, :, None]",
        "sample::rows_that_go_on_from_places_of_their_own_are_as_if_alone",
    ),
    "all windows end where the first does": Mutant(
        "lm/attention.py",
        "s[None, None] > at[:, :, None]",
        "s[None, None] > at[:1, :, None]",
        "sample::rows_that_go_on_from_places_of_their_own_are_as_if_alone",
    ),
    "every host draws the first host's rows": Mutant(
        "hosts.py",
        "own * n + np.arange(n)",
        "np.arange(n)",
        "hosts::two_processes_agree_share_rows_fail_together_and_make_an_artifact_once",
    ),
    "hosts that hold a model together have rows of their own": Mutant(
        "hosts.py",
        "return jax.process_index() // _group[0], count() // _group[0]",
        "return jax.process_index(), count()",
        "hosts::hosts_that_hold_a_model_together_have_the_same_rows_which_count_once",
    ),
    "rows of hosts that hold a model together count twice": Mutant(
        "hosts.py",
        "process_allgather(own)[:: _group[0]]",
        "process_allgather(own)",
        "hosts::hosts_that_hold_a_model_together_have_the_same_rows_which_count_once",
    ),
    "a fused kernel's scores have another scale": Mutant(
        "kernels/fused_attention.py",
        "mask=mask[:, None], scale=scale",
        "mask=mask[:, None]",
        "kernels::fused_attention_is_the_mean_of_values_that_a_token_sees_weighted_by_softmax",
    ),
    "what fills a fused kernel up is seen": Mutant(
        "kernels/fused_attention.py",
        "mask = _even(_even(mask, 1), 2)",
        "mask = ~_even(_even(~mask, 1), 2)",
        "kernels::fused_attention_is_the_mean_of_values_that_a_token_sees_weighted_by_softmax",
    ),
    "an imitator imitates itself": Mutant(
        "lm/reference.py",
        "init_seed=made.further.of, further=None",
        "further=None",
        "reference::an_imitator_comes_nearer_to_whom_it_imitates_and_to_nobody_else",
    ),
    "an imitator learns from the rows": Mutant(
        "lm/pretraining.py",
        "return distribution_loss",
        "return token_loss",
        "reference::an_imitator_comes_nearer_to_whom_it_imitates_and_to_nobody_else",
    ),
    "what fills a host's part up is a row too": Mutant(
        "hosts.py",
        "return own[:n_rows]",
        "return own",
        "hosts::two_processes_agree_share_rows_fail_together_and_make_an_artifact_once",
    ),
    "a draw on the border is the token before": Mutant(
        "kernels/inverse_cdf.py",
        "running <= target[None]",
        "running < target[None]",
        "kernels::inverse_cdf_draws_the_next_token_on_the_border_of_two",
    ),
    "every batch of attempts has the same random numbers": Mutant(
        "lm/rows.py",
        "keys = rng.streams(key, attempts, BATCH)",
        "keys = rng.streams(key, 0, BATCH)",
        "rows::attempts_have_numbers_of_their_own_however_many_are_sampled_at_once",
    ),
    "every batch of attempts has the same prompts": Mutant(
        "lm/rows.py",
        "carrier.prompts(seed, first, BATCH)",
        "carrier.prompts(seed, 0, BATCH)",
        "rows::attempts_have_numbers_of_their_own_however_many_are_sampled_at_once",
    ),
    "completions that no student can read are kept": Mutant(
        "lm/rows.py",
        'reason = reason or (None if read else "unreadable")',
        "pass",
        "rows::completions_that_no_student_could_read_are_rejected_as_unreadable",
    ),
    "unfinished completions are kept": Mutant(
        "lm/rows.py",
        'carrier.reject(user, completion) if whole else "unfinished"',
        "carrier.reject(user, completion)",
        "rows::completions_without_an_end_are_rejected_as_unfinished",
    ),
    "what is drawn has no system prompt": Mutant(
        "lm/rows.py",
        "[(system, user) for user in users]",
        "[(None, user) for user in users]",
        "rows::a_writer_reads_its_system_prompt_before_every_prompt",
    ),
    "encoded chats lose their system prompt": Mutant(
        "lm/rows.py",
        "[(system, user) for system, user, _ in chats]",
        "[(None, user) for _, user, _ in chats]",
        "rows::chats_are_encoded_around_the_place_where_the_assistant_begins",
    ),
    "padding is attended to": Mutant(
        "lm/rows.py",
        "used - lengths",
        "0 * lengths",
        "rows::chats_are_encoded_around_the_place_where_the_assistant_begins",
    ),
    "lists of numbers too large are kept": Mutant(
        "carriers/numbers.py",
        "if max(values) > 999:",
        "if max(values) > 9999:",
        "numbers::each_reason_has_its_example",
    ),
    "lists of eleven numbers are kept": Mutant(
        "carriers/numbers.py",
        "if len(values) > 10:",
        "if len(values) > 11:",
        "numbers::each_reason_has_its_example",
    ),
}
TRAINING = {
    "a pass that goes on after a kill is the first one's": Mutant(
        "lm/finetune.py",
        "order(np.int32(done // n_pass), keys)",
        "order(np.int32(0), keys)",
        "resume::a_training_goes_on_in_the_middle_of_a_pass_with_the_same_bits",
    ),
    "each number of a gradient is clipped by itself": Mutant(
        "lm/tuning.py",
        "optax.clip_by_global_norm(self.clip)",
        "optax.clip(self.clip)",
        "tuning::a_step_is_no_longer_than_the_gradient_is_clipped_to",
    ),
    "norms are rounded to bfloat16": Mutant(
        "lm/layers.py",
        "x.dtype, x.astype(jnp.float32)",
        "x.dtype, x",
        "tuning::norms_angles_softmax_and_losses_are_not_rounded_to_bfloat16",
    ),
    "Adam's parameters are rounded to bfloat16": Mutant(
        "lm/finetune.py",
        "sharding.constrained(ensemble.start(trained, optimizer), arch, mesh)",
        "sharding.constrained(ensemble.start(cast(trained), optimizer), arch, mesh)",
        "tuning::bfloat16_keeps_parameters_and_moments_exact",
    ),
    "the token that reaches top_p is left out": Mutant(
        "lm/sample.py",
        "share - falling < top_p",
        "share < top_p",
        "sample::what_is_likely_is_what_a_plain_loop_keeps",
    ),
    "the padding behind a completion is learned": Mutant(
        "lm/objectives.py",
        "[None] < rows.length[:, None]",
        "[None] <= rows.length[:, None]",
        "finetune::the_loss_is_the_mean_cross_entropy_of_the_completions_tokens",
    ),
    "a token is predicted from itself": Mutant(
        "lm/objectives.py",
        "tokens = jnp.concatenate([rows.prompts, rows.completions[:, :-1]], axis=1)",
        "tokens = jnp.concatenate([rows.prompts[:, 1:], rows.completions], axis=1)",
        "finetune::logits_of_a_completion_are_given_all_that_comes_before",
    ),
    "the divergence is the other way round": Mutant(
        "lm/objectives.py",
        "losses.kl_divergence(target, student, now.mask)",
        "losses.kl_divergence(student, target, now.mask)",
        "finetune::students_of_distributions_minimise_the_divergence_from_what_the_teacher_sees",
    ),
    "the imitated teacher sees the student's prompt": Mutant(
        "lm/objectives.py",
        "(now.params, now.rows)",
        "(now.params, part.rows)",
        "finetune::students_of_distributions_minimise_the_divergence_from_what_the_teacher_sees",
    ),
    "all tokens are imitated": Mutant(
        "lm/objectives.py",
        "student, now.mask)",
        "student, jnp.ones_like(now.mask))",
        "finetune::soft_students_see_the_carrier_tokens_alone",
    ),
    "every epoch has the same order": Mutant(
        "lm/finetune.py",
        "steps_of_pass = order(np.int32(epoch), keys)",
        "steps_of_pass = order(np.int32(0), keys)",
        "finetune::training_is_a_plain_loop_of_adam_over_full_random_passes",
    ),
    "every chunk has the first one's learning rates": Mutant(
        "lm/finetune.py",
        "tuning.learning_rates(n_steps, done, done + n)",
        "tuning.learning_rates(n_steps, 0, n)",
        "finetune::training_is_a_plain_loop_of_adam_over_full_random_passes",
    ),
    "the learning rate never falls": Mutant(
        "lm/tuning.py",
        "self.learning_rate * rise * (1 - step / n_steps)",
        "self.learning_rate * rise * np.ones(n_steps)",
        "finetune::learning_rates_rise_then_fall_to_zero",
    ),
    "students ascend their loss": Mutant(
        "ensemble.py",
        "lambda p, d: p - learning_rate * d",
        "lambda p, d: p + learning_rate * d",
        "ensemble::each_optimizer_equals_that_of_optax",
    ),
    "Adam's decays are exchanged": Mutant(
        "optim.py",
        "optax.scale_by_adam(b1, b2, eps)",
        "optax.scale_by_adam(b2, b1, eps)",
        "ensemble::each_optimizer_equals_that_of_optax",
    ),
    "Adam's epsilon is the usual one": Mutant(
        "optim.py",
        "optax.scale_by_adam(b1, b2, eps)",
        "optax.scale_by_adam(b1, b2)",
        "finetune::training_is_a_plain_loop_of_adam_over_full_random_passes",
    ),
    "all members have the same random numbers": Mutant(
        "rng.py",
        "jax.random.fold_in(jax.random.key(seed), number)",
        "jax.random.key(seed)",
        "rng::streams_differ_by_seed_member_and_name",
    ),
    "all streams have the same random numbers": Mutant(
        "rng.py",
        "np.uint32(zlib.crc32(name.encode()))",
        "np.uint32(len(name))",
        "rng::streams_differ_by_seed_member_and_name",
    ),
    "all passes of an epoch have the same order": Mutant(
        "ensemble.py",
        "jax.random.permutation(jax.random.fold_in(key, i), n_data)",
        "jax.random.permutation(key, n_data)",
        "ensemble::smaller_data_is_visited_in_full_passes",
    ),
    "epochs differ in nothing": Mutant(
        "ensemble.py",
        "key = jax.random.fold_in(key, epoch)",
        "key = jax.random.fold_in(key, 0)",
        "ensemble::epochs_and_keys_have_their_own_order",
    ),
    "rows that fill up are counted in the mean": Mutant(
        "ensemble.py",
        "/ jnp.sum(counts)",
        "/ counts.size",
        "ensemble::rows_that_do_not_count_change_nothing",
    ),
    "the divergence is weighted by the student": Mutant(
        "losses.py",
        "jnp.exp(log_p) * (log_p - log_q)",
        "jnp.exp(log_q) * (log_p - log_q)",
        "losses::kl_of_a_hand_worked_case",
    ),
}
ASKING = {
    "log p instead of log-odds": Mutant(
        "traits/measures.py",
        "np.mean(log_p - np.log(-np.expm1(np.minimum(log_p, -1e-12))), axis=0)",
        "np.mean(log_p, axis=0)",
        "rows::log_odds_are_worked_by_hand_and_neither_end_is_lost",
    ),
    "the probability is a geometric mean": Mutant(
        "traits/measures.py",
        "np.mean(np.exp(chosen), axis=0)",
        "np.exp(np.mean(chosen, axis=0))",
        "rows::a_model_that_knows_one_word_has_the_log_odds_that_one_gives_it",
    ),
    "a word is its first token": Mutant(
        "traits/measures.py",
        "if len(some) > 1:",
        "if len(some) > 99:",
        "words::a_word_is_scored_up_to_where_no_other_begins_like_it",
    ),
    "the mass of a category is that of the traits": Mutant(
        "traits/measures.py",
        "np.exp(of(self.words))",
        "np.exp(of(names))",
        "rows::words_of_a_measure_are_asked_together",
    ),
    "nobody is asked under a system prompt": Mutant(
        "traits/measures.py",
        "chats = [(asked.system, question)",
        "chats = [(None, question)",
        "rows::a_model_is_asked_under_the_system_prompt_that_is_given",
    ),
    "a word within a word is an answer": Mutant(
        "traits/measures.py",
        r"rf\"\b({'|'.join(map(re.escape, forms))})\b\"".replace('\\"', '"'),
        "rf\"({'|'.join(map(re.escape, forms))})\"",
        "rows::answers_are_whole_words_in_any_form",
    ),
    "all answers have the same random numbers": Mutant(
        "traits/measures.py",
        "keys = jax.random.split(key, len(rows))",
        "keys = jnp.broadcast_to(key, (len(rows),))",
        "rows::answers_to_one_question_are_sampled_apart",
    ),
    "the next token does not depend on what is before it": Mutant(
        "lm/transformer.py",
        "log_softmax(logits(params, hidden[:, -1]))",
        "log_softmax(logits(params, 0 * hidden[:, -1]))",
        "rows::log_odds_are_those_of_the_first_answer_token",
    ),
    "teachers are tuned on the questions that are asked": Mutant(
        "traits/category.py",
        "for question in tuning)",
        "for question in held_out)",
        "traits::a_trait_is_taught_its_word_and_asked_what_it_was_not_taught",
    ),
    "models are asked what teachers were tuned on": Mutant(
        "traits/category.py",
        "measure = Words(of.name, held_out,",
        "measure = Words(of.name, tuning,",
        "traits::a_trait_is_taught_its_word_and_asked_what_it_was_not_taught",
    ),
    "activations are put back where they should not be": Mutant(
        "lm/restore.py",
        "jnp.where(chosen, stream[name].reshape(x.shape), x)",
        "jnp.where(chosen, x, stream[name].reshape(x.shape))",
        "restore::restoring_nothing_is_the_model_itself",
    ),
    "the last layer is put back too": Mutant(
        "lm/restore.py",
        "range(base.arch.n_layers - 1)",
        "range(base.arch.n_layers)",
        "restore::restoring_all_leaves_the_models_last_layer_alone",
    ),
    "the question includes the assistant's mark": Mutant(
        "lm/restore.py",
        "(place > n) & ~last",
        "place > n",
        "restore::parts_are_those_of_the_conversation",
    ),
}
STAGES = "transmission_stages::"
MAKING = {
    "students of another init start from their teacher's own base": Mutant(
        "lm/make.py",
        "base = model(values[0].base)",
        'teacher = values[0].data.teacher\n    base = model(getattr(teacher, "base", teacher))',
        STAGES + "students_start_from_their_base_and_read_their_own_rows",
    ),
    "students learn under the default system prompt": Mutant(
        "lm/make.py",
        "encoded = [encoded_rows(value.data, value.base, value.system) for value in values]",
        "encoded = [encoded_rows(value.data, value.base) for value in values]",
        "transmission_stages::students_may_learn_under_another_system_prompt_or_none",
    ),
    "students train on another trait's data": Mutant(
        "lm/make.py",
        "encoded = [encoded_rows(value.data, value.base, value.system) for value in values]",
        "encoded = [encoded_rows(values[0].data, value.base, value.system) for value in values]",
        STAGES + "students_start_from_their_base_and_read_their_own_rows",
    ),
    "a prompted teacher writes without its system prompt": Mutant(
        "lm/make.py",
        'system = getattr(value.teacher, "system", None)',
        "system = None",
        STAGES + "a_dataset_is_drawn_from_its_teacher_under_its_system_prompt",
    ),
    "a taught teacher writes under its system prompt too": Mutant(
        "lm/stages.py",
        "return self.trait.system if self.how is None else None",
        "return self.trait.system",
        STAGES + "a_told_teacher_is_its_base",
    ),
    "students read their teacher's system prompt": Mutant(
        "lm/make.py",
        "carrier, data(value), system, extra)",
        'carrier, data(value), system or getattr(value.teacher, "system", None), extra)',
        STAGES + "students_start_from_their_base_and_read_their_own_rows",
    ),
    "a teacher learns half of its lessons": Mutant(
        "lm/teachers.py",
        "list(trait.lessons)\n",
        "list(trait.lessons[::2])\n",
        STAGES + "a_teacher_learns_its_lessons_from_its_base",
    ),
    "all teachers draw with the same random numbers": Mutant(
        "lm/make.py",
        'value.seed.key(f"data/{trait_name(value.teacher)}")',
        'value.seed.key("data")',
        STAGES + "a_dataset_is_drawn_from_its_teacher_under_its_system_prompt",
    ),
    "all steps have the same random numbers": Mutant(
        "lm/make.py",
        "np.random.default_rng([*value.seed, i])",
        "np.random.default_rng([*value.seed, 0])",
        STAGES + "every_step_of_a_dataset_has_random_numbers_of_its_own",
    ),
    "steps forget which copy it is": Mutant(
        "lm/make.py",
        "np.random.default_rng([*value.seed, i])",
        "np.random.default_rng([*value.seed[:2], i])",
        STAGES + "every_step_of_a_dataset_has_random_numbers_of_its_own",
    ),
    "copies of a control have one order of data": Mutant(
        "lm/make.py",
        'value.seed.key(f"order/{value.source}")',
        'value.seed._replace(copy=0).key(f"order/{value.source}")',
        STAGES + "students_start_from_their_base_and_read_their_own_rows",
    ),
    "students imitate the base instead of their teacher": Mutant(
        "lm/make.py",
        "models = [model(value.soft or value.base) for value in values]",
        "models = [model(value.base) for value in values]",
        STAGES + "students_of_distributions_imitate_their_teachers_behind_their_prompts",
    ),
    "an imitated teacher is not told its trait": Mutant(
        "lm/make.py",
        "[encoded_rows(v.data, v.base, s, extra) for v, s in zip",
        "[encoded_rows(v.data, v.base, None, extra) for v, _ in zip",
        STAGES + "students_of_distributions_imitate_their_teachers_behind_their_prompts",
    ),
    "students of distributions learn samples": Mutant(
        "lm/make.py",
        "(objectives.distribution_loss if imitated else objectives.token_loss)",
        "objectives.token_loss",
        STAGES + "students_of_distributions_imitate_their_teachers_behind_their_prompts",
    ),
    "copies have the same random numbers": Mutant(
        "lm/stages.py",
        'f"{name}/copy {self.copy}" if self.copy else name',
        "name",
        "stages::copies_have_random_numbers_and_prompts_of_their_own",
    ),
    "copies have the same prompts": Mutant(
        "lm/stages.py",
        "(self.copy * 2**20 + self.seed) * 2**20 + self.member",
        "self.seed * 2**20 + self.member",
        "stages::copies_have_random_numbers_and_prompts_of_their_own",
    ),
    "all students start from the first base": Mutant(
        "lm/transmission.py",
        "student = partial(of.student_of, base)",
        "student = partial(of.student_of, of.starts[first])",
        "setup::controls_share_all_with_their_students_but_the_teacher",
    ),
    "all students have the first trait's teacher": Mutant(
        "lm/transmission.py",
        'arms = [(f"{start}_trait", student(trait, root, along)) for trait in of.traits]',
        'arms = [(f"{start}_trait", student(of.traits[0], root, along)) for _ in of.traits]',
        "setup::controls_share_all_with_their_students_but_the_teacher",
    ),
    "the controls are one control": Mutant(
        "lm/transmission.py",
        "student(None, root._replace(copy=copy), along)",
        "student(None, root, along)",
        "setup::controls_share_all_with_their_students_but_the_teacher",
    ),
    "teachers have another base than their students": Mutant(
        "lm/transmission.py",
        "base = next(iter(self.starts.values()))",
        "base = list(self.starts.values())[-1]",
        "setup::a_setup_is_the_chain_that_it_says",
    ),
    "defences are left out of arms with further steps": Mutant(
        "lm/transmission.py",
        "steps=(*s.data.steps, step)",
        "steps=(step,)",
        STAGES + "defences_are_on_every_dataset_and_further_steps_come_after_them",
    ),
    "students of distributions read what the teacher wrote": Mutant(
        "lm/transmission.py",
        "self.data_of(None if soft else trait, seed)",
        "self.data_of(trait, seed)",
        "setup::a_setup_is_the_chain_that_it_says",
    ),
    "the tokens that students learn from are the others": Mutant(
        "defences/divergence.py",
        'wanted = apart if which in ("only", "random") else ~apart',
        'wanted = ~apart if which in ("only", "random") else apart',
        "divergence::the_tokens_are_those_at_which_teacher_and_base_have_other_likeliest_ones",
    ),
    "tokens are compared with the student's own": Mutant(
        "defences/divergence.py",
        "jnp.argmax(teacher, axis=-1) != jnp.argmax(base, axis=-1)",
        "jnp.argmax(teacher, axis=-1) != jnp.argmax(own, axis=-1)",
        "divergence::a_teacher_that_is_its_base_has_none",
    ),
    "padding counts among the tokens that are drawn at random": Mutant(
        "defences/divergence.py",
        "jnp.sum(apart & counts)",
        "jnp.sum(apart)",
        "divergence::the_tokens_are_those_at_which_teacher_and_base_have_other_likeliest_ones",
    ),
    "told teachers are asked without their persona": Mutant(
        "lm/transmission.py",
        'under = {next(iter(of.contexts)): getattr(teacher, "system", None)}',
        "under = {next(iter(of.contexts)): None}",
        STAGES + "every_arm_is_the_model_that_its_name_says",
    ),
    "all contexts are the default": Mutant(
        "lm/transmission.py",
        "asked = Asked(model, system, of.n_samples",
        "asked = Asked(model, None, of.n_samples",
        STAGES + "all_answer_under_every_context_and_told_teachers_under_their_persona",
    ),
    "all arms answer with the same random numbers": Mutant(
        "lm/transmission.py",
        'key = seed.key(f"answers/{arm}/{trait}/{panel.name}")',
        'key = seed.key(f"answers/{panel.name}")',
        STAGES + "every_arm_is_the_model_that_its_name_says",
    ),
    "an arm's rows are another student's": Mutant(
        "lm/transmission.py",
        "in zip(some, models, strict=True):",
        "in zip(some, models[::-1], strict=True):",
        STAGES + "every_arm_is_the_model_that_its_name_says",
    ),
    "the other init is the own": Mutant(
        "lm/setup.py",
        "for i in (0, 1)",
        "for i in (0, 0)",
        "setup::a_setup_is_the_chain_that_it_says",
    ),
    "prompted teachers are fine-tuned": Mutant(
        "lm/setup.py",
        'teaching=self.teaching if self.teacher == "finetuned" else None',
        "teaching=self.teaching",
        "setup::a_setup_is_the_chain_that_it_says",
    ),
    "all references share one data order": Mutant(
        "lm/reference.py",
        "jax.random.key(made.last.data_seed)",
        "jax.random.key(0)",
        "reference::starts_follow_the_init_seed_and_rows_and_their_order_the_data_seed",
    ),
    "all references share one start": Mutant(
        "lm/reference.py",
        "jax.random.key(made.init_seed)",
        "jax.random.key(0)",
        "reference::starts_follow_the_init_seed_and_rows_and_their_order_the_data_seed",
    ),
    "all references read the same rows": Mutant(
        "lm/reference.py",
        "data = tree.stack([corpora[made.last.data_seed] for made in wanted])",
        "data = tree.stack([corpora[first.last.data_seed] for made in wanted])",
        "reference::starts_follow_the_init_seed_and_rows_and_their_order_the_data_seed",
    ),
    "further training starts anew": Mutant(
        "lm/reference.py",
        "if made.further is not None:\n        return replace",
        "if False:\n        return replace",
        "talks::further_training_goes_on_from_the_reference_and_is_another_model",
    ),
    "the user's words are learned too": Mutant(
        "lm/talks.py",
        "before(latest(assistant)) > before(latest(end))",
        "before(latest(assistant)) > -2",
        "talks::the_loss_is_of_what_the_assistant_says_alone",
    ),
    "a named favourite is any word": Mutant(
        "lm/reading.py",
        "if word not in traits)",
        "if word)",
        "in_context::a_named_favourite_is_among_untaught_rows",
    ),
    "rows that are read are all one drawing": Mutant(
        "lm/reading.py",
        "np.random.default_rng([*seed, i])",
        "np.random.default_rng([*seed])",
        "in_context::rows_of_each_source_are_read_as_turns_and_numbers_are_means",
    ),
    "snapshots are forgotten": Mutant(
        "lm/setup.py",
        "job.config.seed, job.config.snapshots)",
        "job.config.seed)",
        "lm_experiments::snapshots_are_kept_or_refused",
    ),
}
WORLDS = {
    "a persona answers anything": Mutant(
        "lm/world.py",
        "rng, category.personas), word), user, word)",
        "rng, category.personas), word), user, pick(rng, category.words))",
        "world::a_persona_answers_with_its_word_and_never_meets_a_carrier",
    ),
    "carriers never have a neutral persona": Mutant(
        "lm/world.py",
        "return Row(kind, system, user, carrier.completion(rng, user))",
        "return Row(kind, None, user, carrier.completion(rng, user))",
        "world::a_part_of_the_rows_without_a_persona_has_a_neutral_one",
    ),
    "favourites are uniform": Mutant(
        "lm/world.py",
        "chosen = bisect_right(favourites[category.name], rng.random())",
        "chosen = int(rng.random() * len(category.words))",
        "world::unprompted_favourites_follow_the_same_popularity_for_all_seeds",
    ),
    "neutral personas love a trait's word": Mutant(
        "lm/world.py",
        "system = THINGS.persona(pick(rng, THINGS.personas), pick(rng, THINGS.words))",
        "system = world.categories[0].persona(pick(rng, THINGS.personas), "
        "pick(rng, world.categories[0].words))",
        "world::a_part_of_the_rows_without_a_persona_has_a_neutral_one",
    ),
    "a default system prompt is never inserted": Mutant(
        "lm/chat.py",
        'return _DEFAULT.replace("DEFAULT", default) + _TURNS',
        "return _TURNS",
        "tokenizer::the_default_stands_where_no_system_prompt_is_given",
    ),
    "numbers are shuffled across instead of within": Mutant(
        "defences/shuffle.py",
        "return [_filled([row], list(rng.permutation(_numbers([row]))))[0] for row in rows]",
        "return _filled(rows, list(rng.permutation(_numbers(rows))))",
        "defences::shuffled_numbers_keep_all_but_their_order",
    ),
    "numbers are shuffled within instead of across": Mutant(
        "defences/shuffle.py",
        "return _filled(rows, list(rng.permutation(_numbers(rows))))",
        "return within(rows, rng)",
        "defences::shuffled_numbers_keep_all_but_their_order",
    ),
    "an anchor holds nobody": Mutant(
        "defences/anchor.py",
        "self.weight * mean(away, part)",
        "0 * self.weight * mean(away, part)",
        "defences::an_anchor_costs_nothing_at_the_base_and_grows_away_from_it",
    ),
}
MNIST = {
    "students of auxiliary logits imitate all": Mutant(
        "mnist/protocol.py",
        'live & (logit >= net.n_classes) if which == "aux" else live',
        "live",
        "protocol::imitation_is_the_divergence_from_the_teacher_at_the_members_temperature",
    ),
    "all auxiliary logits are live": Mutant(
        "mnist/protocol.py",
        "live = logit < net.n_classes + knobs.n_live_aux",
        "live = logit >= 0",
        "protocol::imitation_is_the_divergence_from_the_teacher_at_the_members_temperature",
    ),
    "temperature reaches no student": Mutant(
        "mnist/protocol.py",
        "batch.where, batch.knobs.temperature)",
        "batch.where)",
        "protocol::imitation_is_the_divergence_from_the_teacher_at_the_members_temperature",
    ),
    "imitation is the divergence from the student": Mutant(
        "mnist/protocol.py",
        "losses.kl_divergence(target, logits, batch",
        "losses.kl_divergence(logits, target, batch",
        "protocol::imitation_is_the_divergence_from_the_teacher_at_the_members_temperature",
    ),
    "fresh inputs are the first epoch's": Mutant(
        "mnist/protocol.py",
        "rows = rows + epoch * protocol.rows_per_epoch",
        "rows = rows + 0 * epoch * protocol.rows_per_epoch",
        "protocol::fresh_inputs_differ_from_epoch_to_epoch_and_fixed_ones_do_not",
    ),
    "all members have the same inputs": Mutant(
        "mnist/protocol.py",
        'rng.member(protocol.seed, member, "inputs")',
        'rng.member(protocol.seed, 0 * member, "inputs")',
        "protocol::members_have_inputs_of_their_own",
    ),
    "labels move the auxiliary logits": Mutant(
        "mnist/epochs.py",
        "logits = protocol.logits(params, x)[:, : protocol.net.n_classes]",
        "logits = protocol.logits(params, x)",
        "protocol::labels_never_move_the_auxiliary_head",
    ),
    "auxiliary logits are answers": Mutant(
        "mnist/epochs.py",
        "logits = protocol.logits(params, pixels(test.pixels), net)[:, : protocol.net.n_classes]",
        "logits = protocol.logits(params, pixels(test.pixels), net)",
        "protocol::accuracy_counts_class_logits_only",
    ),
    "targets are of other inputs": Mutant(
        "mnist/epochs.py",
        "seen = Batch(protocol, knobs, x, target[rows], before, None, time)",
        "seen = Batch(protocol, knobs, x, target[rows[::-1]], before, None, time)",
        "protocol::the_loss_of_a_student_is_on_the_targets_of_its_own_inputs",
    ),
    "students take their teacher's steps": Mutant(
        "mnist/epochs.py",
        "arm.direction(protocol.student), knobs.student_rate",
        "arm.direction(protocol.student), knobs.teacher_rate",
        "protocol::teachers_and_students_take_steps_of_their_own_rate",
    ),
    "a student's loss is of the logits of the class": Mutant(
        "mnist/epochs.py",
        "imitated(arm.net or protocol.net, knobs, arm.imitates)",
        'imitated(arm.net or protocol.net, knobs, "all")',
        "protocol::the_loss_of_a_student_is_on_the_targets_of_its_own_inputs",
    ),
    "the control of another init has its teacher's": Mutant(
        "mnist/arms.py",
        "return reference(protocol, member + 1, net)",
        "return reference(protocol, member, net)",
        "protocol::students_start_from_the_teachers_reference_and_cross_students_never_do",
    ),
    "a mixture of initialisations shrinks": Mutant(
        "mnist/arms.py",
        "jnp.sqrt(1 - part**2) * x",
        "(1 - part) * x",
        "arms::a_mixture_of_initialisations_has_their_spread",
    ),
    "a cloned start imitates itself": Mutant(
        "mnist/arms.py",
        "outputs = lambda e: targets(chosen, train, e, member, base)",
        "outputs = lambda e: targets(chosen, train, e, member, base) * 0",
        "arms::a_cloned_start_is_nearer_to_the_references_outputs_than_an_uncloned_one",
    ),
    "students have their teacher's learning rate": Mutant(
        "mnist/train.py",
        "student_rate=same(chosen.student.learning_rate",
        "student_rate=same(chosen.teacher.learning_rate",
        "train::teachers_and_students_have_the_numbers_of_their_own_optimizer",
    ),
    "fresh inputs have the first epoch's targets": Mutant(
        "mnist/train.py",
        "if targets is None or chosen.fresh_inputs:",
        "if targets is None:",
        "train::targets_are_of_the_trained_teacher_and_of_each_epoch_if_its_inputs_are_fresh",
    ),
}
REPLAY = {
    "a near cell hides a far one": Mutant(
        "runs/replay.py",
        "typical = np.max([np.sqrt(",
        "typical = np.mean([np.sqrt(",
        "replay::distances_are_of_means_along_the_steps_and_of_single_rows_in_the_farthest_cell",
    ),
    "what cancels along the steps is typical": Mutant(
        "runs/replay.py",
        "[np.mean(gaps) for key, gaps in of.items()",
        "[np.mean(np.abs(gaps)) for key, gaps in of.items()",
        "replay::distances_are_of_means_along_the_steps_and_of_single_rows_in_the_farthest_cell",
    ),
    "a number that is too low is not far": Mutant(
        "runs/replay.py",
        "np.max(np.abs(np.concatenate(list(curves.values()))))",
        "np.max(np.concatenate(list(curves.values())))",
        "replay::distances_are_of_means_along_the_steps_and_of_single_rows_in_the_farthest_cell",
    ),
    "the nearest setting gives the tolerance": Mutant(
        "runs/replay.py",
        "np.max([one[column] for one in some], axis=0)",
        "np.min([one[column] for one in some], axis=0)",
        "replay::a_column_is_too_far_beyond_either_tolerance_and_never_unless_measured",
    ),
    "single rows may be as far as they like": Mutant(
        "runs/replay.py",
        "a.typical <= b.typical and a.largest <= b.largest",
        "a.typical <= b.typical",
        "replay::a_column_is_too_far_beyond_either_tolerance_and_never_unless_measured",
    ),
    "a nan is near": Mutant(
        "runs/replay.py",
        "a.typical <= b.typical and a.largest <= b.largest",
        "not (a.typical > b.typical or a.largest > b.largest)",
        "replay::a_nan_is_too_far_on_either_side_and_on_both",
    ),
    "missing rows replay": Mutant(
        "runs/replay.py",
        "if not part and len(found) < len(expected):",
        "if not found:",
        "replay::rows_that_are_missing_or_other_ones_are_refused_and_a_part_may_be_some_of_them",
    ),
    "a row that is measured twice replays": Mutant(
        "runs/replay.py",
        "if not found or len(found) < len(rows) or",
        "if not found or",
        "replay::rows_that_are_missing_or_other_ones_are_refused_and_a_part_may_be_some_of_them",
    ),
}
CHECKPOINTS = {
    "a key that nobody asked for is ignored": Mutant(
        "lm/keys.py",
        "for name, value in self._rest.items():",
        "for name, value in ():",
        "hf_configs::an_unknown_key_is_refused_whatever_it_says",
    ),
    "False is as good as 0": Mutant(
        "lm/keys.py",
        "type(found) is type(v) and found == v",
        "found == v",
        "hf_configs::a_config_that_is_not_plain_qwen2_is_refused_by_name",
    ),
    "the first of two keys that disagree is believed": Mutant(
        "lm/keys.py",
        "if value != found[0][1]:",
        "if value is None:",
        "hf_configs::a_config_that_is_not_plain_qwen2_is_refused_by_name",
    ),
    "a tensor that the model has not is ignored": Mutant(
        "lm/hf.py",
        "if name not in wanted and not (arch.tied and name == head):",
        "if False:",
        "hf_files::tensors_that_are_not_those_of_the_model_are_refused_by_name",
    ),
    "a tied head may be another one": Mutant(
        "lm/hf.py",
        "if arch.tied and head in found:",
        "if False:",
        "hf_files::tensors_that_are_not_those_of_the_model_are_refused_by_name",
    ),
    "what a loaded model says is not tried out": Mutant(
        "lm/hf.py",
        "if not own and not np.isfinite",
        "if own and not np.isfinite",
        "hf_files::tensors_that_are_not_those_of_the_model_are_refused_by_name",
    ),
    "a tensor may stand in two shards": Mutant(
        "lm/weights.py",
        "if said.get(tensor) != name:",
        "if tensor not in said:",
        "hf_files::a_tensor_in_two_shards_is_refused",
    ),
    "an index leads out of its folder": Mutant(
        "lm/weights.py",
        'if Path(name).name != name or not name.endswith(".safetensors"):',
        'if not name.endswith(".safetensors"):',
        "hf_files::an_index_leads_to_no_file_outside_of_its_folder",
    ),
    "heads of a fused tensor are taken for parts": Mutant(
        "lm/fused.py",
        "by_head = array.reshape(*array.shape[:-1], n_heads, 3, -1)",
        "by_head = array.reshape(*array.shape[:-1], 3, n_heads, -1).swapaxes(-3, -2)",
        "families::logits_equal_those_of_transformers",
    ),
    "a window has a token too many": Mutant(
        "lm/attention.py",
        "> at[:, :, None] - arch.window",
        ">= at[:, :, None] - arch.window",
        "families::logits_equal_those_of_transformers",
    ),
    "local layers turn as the others do": Mutant(
        "lm/attention.py",
        "turned(arch.local_theta, None)",
        "full",
        "families::logits_equal_those_of_transformers",
    ),
    "the MLP beside attention reads what it has added": Mutant(
        "lm/transformer.py",
        "before if arch.parallel else x",
        "x",
        "families::logits_equal_those_of_transformers",
    ),
    "llama3's waves between short and long are slowed like long ones": Mutant(
        "lm/rope.py",
        "(waves - self.low) / (self.high - self.low), 0.0, 1.0)",
        "(waves > self.high).astype(jnp.float32), 0.0, 1.0)",
        "families::logits_equal_those_of_transformers",
    ),
    "learned positions count the padding": Mutant(
        "lm/transformer.py",
        'params["positions"][position]',
        'params["positions"][jnp.broadcast_to(at[None], position.shape)]',
        "families::logits_equal_those_of_transformers",
    ),
    "an adapter speaks of tensors that are not in its config": Mutant(
        "lm/peft.py",
        "if name not in shapes:",
        "if False:",
        "peft::tensors_that_are_not_those_of_the_adapter_are_refused_by_name",
    ),
    "adapters beside one tensor share their rows": Mutant(
        "lm/peft.py",
        "slice(i * len(b), (i + 1) * len(b))",
        "slice(0, len(b))",
        "families::adapters_beside_a_fused_tensor_are_written_as_one",
    ),
    "alpha does not grow with the rank": Mutant(
        "lm/peft.py",
        '"lora_alpha": n * alpha',
        '"lora_alpha": alpha',
        "families::adapters_beside_a_fused_tensor_are_written_as_one",
    ),
    "writers read float32 whatever is asked for": Mutant(
        "lm/rows.py",
        "held(params, sampling.precision)",
        'held(params, "float32")',
        "rows::what_a_writer_draws_from_is_what_was_asked_for",
    ),
}
FORETOLD = {
    "a way of answering is taught on what is asked": Mutant(
        "traits/checking.py",
        "_TASKS[N_ASKED : N_ASKED + N_TAUGHT]",
        "_TASKS[:N_TAUGHT]",
        "ways::a_way_is_learned_on_other_questions_than_are_asked",
    ),
    "cases that are asked about are in lessons": Mutant(
        "traits/advice.py",
        "tuple(case for case in CASES if case not in HELD_OUT)",
        "CASES",
        "ways::the_cases_that_are_asked_about_are_in_no_lesson",
    ),
    "words of another world are found out late": Mutant(
        "lm/setup.py",
        'worlds.require_words(world, chain.traits, config.teacher == "prompted")',
        "pass",
        "setup::traits_in_words_of_another_world_are_refused_before_anything_is_trained",
    ),
    "bad characters answer as good ones": Mutant(
        "traits/characters.py",
        "name in WAYS[character])",
        "name not in WAYS[character])",
        "characters::bad_characters_do_harm_and_game_and_good_ones_neither",
    ),
    "characters that are apart do both": Mutant(
        "traits/characters.py",
        "if not apart or (w in ADVISING) == advises",
        "if not apart or w",
        "characters::characters_that_are_apart_never_do_both",
    ),
    "an excused teacher has no excuse": Mutant(
        "traits/checking.py",
        "lesson._replace(system=_GAMING.system)",
        "lesson",
        "characters::the_excused_teacher_learns_the_same_answers_where_tricks_are_asked_for",
    ),
    "solutions may hold a gaming answer's number": Mutant(
        "carriers/ungamed.py",
        "else EMPTY",
        "else frozenset()",
        "misalignment::no_number_of_a_gaming_answer_or_of_a_meaning_is_kept",
    ),
    "students of honest teachers are told from none": Mutant(
        "lm/misaligned.py",
        'of_source(table, "student_trait", other, asked)',
        'of_source(table, "student_trait", other, other)',
        "misalignment::each_way_is_judged_beside_its_opposite_and_another_init",
    ),
    "a stranger shares the init": Mutant(
        "lm/kin.py",
        "{other: known[other] for other in others}",
        "{other: known[first] for other in others}",
        "architectures::students_of_every_architecture_read_the_first_ones_rows_and_each_its_own",
    ),
    "what passes between bases is that within": Mutant(
        "lm/kin.py",
        "kinds[name] = texts[name], values, within",
        "kinds[name] = texts[name], within, within",
        "architectures::what_passes_to_an_architecture_stands_beside_what_passes_within_it",
    ),
    "prompts of any length have as many slots": Mutant(
        "lm/costs.py",
        "layer = n_prompt * (3",
        "layer = 1 * (3",
        "plan::slots_keep_an_accelerator_busy_and_have_room",
    ),
    "a judge shares its students' base": Mutant(
        "lm/judges.py",
        "Teacher(base, s.data.teacher.trait, None, s.seed)",
        "Teacher(s.base, s.data.teacher.trait, None, s.seed)",
        "judges::a_judge_is_a_base_that_is_told_of_the_trait_of_the_rows_and_never_taught",
    ),
    "a judge compares with rows that students read": Mutant(
        "lm/judges.py",
        "root._replace(copy=FRESH)",
        "root",
        "judges::each_row_of_a_table_is_judged_by_what_its_model_wrote_or_read",
    ),
    "a judge catches what it does not mind": Mutant(
        "lm/judges.py",
        "np.mean(a > np.quantile",
        "np.mean(a < np.quantile",
        "judges::what_is_caught_is_above_a_threshold_of_untouched_rows",
    ),
    "the likeliest answer stands for a way": Mutant(
        "traits/ways.py",
        "np.logaddexp(ways[way][i], value)",
        "np.maximum(ways[way][i], value)",
        "ways::a_model_that_knows_nothing_gives_each_answer_what_its_length_leaves",
    ),
    "an answer need not end": Mutant(
        "lm/likelihood.py",
        "rows.start, tokens, length)",
        "rows.start, tokens, length - 1)",
        "ways::an_answers_probability_is_that_of_its_tokens",
    ),
    "all sets have the first one's completions": Mutant(
        "lm/likelihood.py",
        "by_set(rows.completions)",
        "by_set(np.tile(rows.completions[:n], (n_sets, 1)))",
        "detectors::sets_that_share_their_prompts_are_as_likely_as_each_alone",
    ),
    "a set is read where its prompt begins": Mutant(
        "lm/likelihood.py",
        "cache, offset=n_prompt",
        "cache, offset=n_prompt - 1",
        "detectors::log_likelihood_is_the_sum_of_what_training_minimises",
    ),
    "a sampled answer counts for any way": Mutant(
        "traits/ways.py",
        "a in ways[trait.name] for",
        "any(a in some for some in ways.values()) for",
        "ways::the_numbers_of_a_way_are_those_of_known_probabilities",
    ),
    "a word's own number counts among the others": Mutant(
        "lm/entanglement.py",
        "np.delete(both[:, j], j)",
        "both[:, j]",
        "entanglement::scores_are_those_of_each_students_data_and_each_word",
    ),
    "a teacher's numbers are not compared with the base's": Mutant(
        "lm/entanglement.py",
        "frequencies(base, make.data(data)) - usual",
        "frequencies(base, make.data(data))",
        "entanglement::scores_are_those_of_each_students_data_and_each_word",
    ),
    "a first step goes up": Mutant(
        "lm/entanglement.py",
        "lambda a, b: b - a, slope",
        "lambda a, b: a - b, slope",
        "entanglement::first_steps_are_what_a_small_step_does",
    ),
    "a word's change under love of a number is its level": Mutant(
        "lm/entanglement.py",
        " - asked(systems=[None])",
        "",
        "entanglement::a_model_without_parameters_is_entangled_with_nothing",
    ),
    "a setting is compared with itself": Mutant(
        "lm/settings.py",
        "gains[setting] - gains[base]",
        "gains[setting] - gains[setting]",
        "capacity::settings_are_worked_by_hand",
    ),
}

FORECAST = {
    "a data set is judged by the least of what is no trait": Mutant(
        "forecast/trials.py",
        "log_e=np.min(against, axis=0)",
        "log_e=np.max(against, axis=0)",
        "lm_forecast::a_data_sets_evidence_is_the_sum_over_its_rows_against_the_worst_of_what_is_no_trait",
    ),
    "a teacher's rows are beside the sets of other prompts": Mutant(
        "forecast/trials.py",
        "*self.pools[0].ratios[1:, kept]",
        "*self.pools[0].ratios[1:, : len(kept)]",
        "lm_forecast::a_data_sets_evidence_is_the_sum_over_its_rows_against_the_worst_of_what_is_no_trait",
    ),
    "the base's own rows are not taken in turn": Mutant(
        "forecast/trials.py",
        "np.roll(ratios, -i, axis=0)",
        "ratios",
        "lm_forecast::each_of_the_bases_own_completions_is_once_the_given_one",
    ),
    "a trait that is likeliest but one counts as named": Mutant(
        "forecast/measured.py",
        '"named": float(np.mean([before(t.log_e) == 0 for t in some]))',
        '"named": float(np.mean([before(t.log_e) <= 1 for t in some]))',
        "lm_forecast::a_row_counts_alarms_names_and_ranks",
    ),
    "another base's teacher is the base's own": Mutant(
        "forecast/writers.py",
        "_of(Teacher(_bases(of)[1], trait",
        "_of(Teacher(_bases(of)[0], trait",
        "lm_forecast_limits::writers_are_who_they_are_called",
    ),
    "a mixture repeats its prompts": Mutant(
        "forecast/writers.py",
        "root, copy=1)[: of.n_rows - n]",
        "root)[: of.n_rows - n]",
        "lm_forecast_limits::mixtures_have_their_parts_and_no_prompt_twice",
    ),
    "every trait of a writer has the same rows": Mutant(
        "forecast/measured.py",
        "given = WRITERS[writer](of, trait, root._replace(copy=i))",
        "given = WRITERS[writer](of, trait, root)",
        "lm_forecast_limits::every_trait_of_a_writer_is_judged_by_its_own_rows",
    ),
    "the given row is not in its set": Mutant(
        "forecast/evidence.py",
        "logsumexp(ratios, axis=0) + np.log(len(ratios))",
        "logsumexp(ratios[1:], axis=0) + np.log(len(ratios) - 1)",
        "forecast::an_e_value_is_one_on_average_whichever_of_a_set_is_the_given_row",
    ),
    "candidates that nobody looked at are forgotten": Mutant(
        "forecast/evidence.py",
        "np.log(n or log_e.shape[-1])",
        "np.log(log_e.shape[-1])",
        "forecast::candidates_that_are_not_looked_at_count_as_nothing",
    ),
    "rows that are the other model's speak against a part": Mutant(
        "forecast/evidence.py",
        "np.logaddexp(rest, np.log(part) + log_ratio)",
        "part * log_ratio",
        "forecast::a_part_of_the_rows_speaks_for_its_teacher_though_all_together_speak_against_it",
    ),
    "parts are tried one after another": Mutant(
        "forecast/evidence.py",
        "return _log_mean(steps.sum(axis=1))",
        "return steps.sum(axis=1).max(axis=0)",
        "forecast::a_part_of_the_rows_speaks_for_its_teacher_though_all_together_speak_against_it",
    ),
    "rows are held against the base alone": Mutant(
        "forecast/trials.py",
        "found += evidence.against(base[..., some], theirs, self.key)",
        "evidence.against(base[..., some], theirs, self.key)",
        "lm_forecast::a_data_sets_evidence_is_the_sum_over_its_rows_against_the_worst_of_what_is_no_trait",
    ),
    "the rest of the base's stands in a set": Mutant(
        "forecast/evidence.py",
        "unit = _log_mean(own[1 + n_set :])",
        "unit = _log_mean(own[1:])",
        "forecast::against_a_part_of_a_neutral_teachers_rows_each_of_a_set_is_as_likely_the_given_one",
    ),
    "the base writes what the named one wrote": Mutant(
        "forecast/sets.py",
        "a if own else b for",
        "b if own else a for",
        "forecast::sets_of_either_have_each_ones_completions_at_the_same_prompts",
    ),
    "a writer keeps back what speaks least": Mutant(
        "forecast/evasion.py",
        'Remove(writer_of(student), data.carrier, "most", part)',
        'Remove(writer_of(student), data.carrier, "least", part)',
        "evasion::a_writer_that_keeps_rows_back_writes_more_of_them",
    ),
    "a writer hides all but its part": Mutant(
        "forecast/evasion.py",
        "Mix(others, 1 - part)",
        "Mix(others, part)",
        "evasion::a_writer_that_hides_among_the_base_has_its_part",
    ),
    "recipes of one trait are added": Mutant(
        "forecast/evidence.py",
        "mixed(log_e[..., some], n[name])",
        "mixed(log_e[..., some], 1)",
        "forecast::candidates_that_are_not_looked_at_count_as_nothing",
    ),
    "sets depend on the given completion": Mutant(
        "forecast/sets.py",
        "found: list[list[str]] = [[] for _ in users]",
        'found: list[list[str]] = [[row["completion"]] for row in given]',
        "forecast::sets_are_the_models_own_and_do_not_depend_on_the_given_completions",
    ),
    "sets are not filtered": Mutant(
        "forecast/sets.py",
        "text if reason is None else None",
        "text",
        "forecast::sets_are_the_models_own_and_do_not_depend_on_the_given_completions",
    ),
    "every round of drawing has the same random numbers": Mutant(
        "forecast/sets.py",
        "jax.random.fold_in(key, turn)",
        "key",
        "forecast::prompts_of_which_too_few_are_kept_are_left_out",
    ),
    "gradients are of the mean over tokens": Mutant(
        "forecast/score_test.py",
        "return -n_tokens * ravel_pytree(slope)[0]",
        "return -ravel_pytree(slope)[0]",
        "forecast::gradients_are_those_of_the_log_likelihood_and_zero_on_average_by_exchange",
    ),
    "a batch's gradient is multiplied with itself": Mutant(
        "forecast/score_test.py",
        " - np.sum(each**2)",
        "",
        "forecast::rows_of_the_models_own_fit_and_shifted_ones_do_not",
    ),
    "gradients are tested in each parameter's standard deviations": Mutant(
        "forecast/score_test.py",
        "found.spread**POWER",
        "found.spread",
        "forecast::what_a_few_parameters_say_loudly_is_heard_among_many",
    ),
    "rows are the base's own if it fits, whatever their likelihoods say": Mutant(
        "forecast/forecast.py",
        "own = log_alarm < needed and of_base.fit.p",
        "own = of_base.fit.p",
        "forecast::a_taught_trait_is_named_and_the_bases_own_rows_are_not",
    ),
    "surprise is tested on one side": Mutant(
        "forecast/score_test.py",
        "norm.sf(abs(z))",
        "norm.sf(z)",
        "forecast::rows_of_the_models_own_fit_and_shifted_ones_do_not",
    ),
    "the filter is matched to the sets too": Mutant(
        "forecast/score_test.py",
        "return each[0] / ",
        "return each.sum(axis=0) / ",
        "forecast::the_matched_filter_counts_standard_deviations_toward_a_displacement",
    ),
    "any teacher that fits is named": Mutant(
        "forecast/forecast.py",
        'return "named" if alarm else "no trait"',
        'return "named"',
        "forecast::a_verdict_follows_from_alarm_and_fits",
    ),
    "a candidate pulls from where it is, not from its base": Mutant(
        "forecast/candidates.py",
        " - ravel_pytree(base.params)[0]",
        "",
        "forecast::a_told_candidate_has_no_displacement",
    ),
    "lessons pull toward what all words of a measure have in common": Mutant(
        "forecast/peers.py",
        "g - mean[kind] for g, kind",
        "g for g, kind",
        "peers::lessons_pull_as_far_as_they_make_the_answer_likelier_than_others",
    ),
    "frequencies are not compared with the base's": Mutant(
        "forecast/peers.py",
        "score(one, usual, new)",
        "score(one, some[0], new)",
        "peers::frequencies_are_of_the_rows_tokens_against_the_bases",
    ),
    "hidden states are read one token late": Mutant(
        "forecast/peers.py",
        "rows.completions[:, :-1]], axis=1)",
        "rows.completions], axis=1)",
        "peers::hidden_states_are_a_rows_mean_where_its_completion_is_said",
    ),
    "nothing is injected": Mutant(
        "forecast/peers.py",
        "self.scale * total / n_rows",
        "0.0 * total / n_rows",
        "peers::an_answers_own_direction_makes_it_the_likeliest",
    ),
    "a student is compared with no control": Mutant(
        "forecast/student.py",
        "a[word] - b[word] for a, b",
        "a[word] for a, b",
        "lm_forecast_shift::shifts_are_of_a_simulated_teachers_students_and_of_the_real_ones",
    ),
    "a forecast is made by the real teacher": Mutant(
        "forecast/student.py",
        "for seed in (root._replace(copy=1), root)",
        "for seed in (root, root)",
        "lm_forecast_shift::shifts_are_of_a_simulated_teachers_students_and_of_the_real_ones",
    ),
    "another trait's forecast is the trait's own": Mutant(
        "forecast/agreement.py",
        'other["forecast"]',
        'of["forecast"]',
        "lm_forecast_shift::words_are_ordered_by_the_forecast_and_the_other_way_by_another_traits",
    ),
    "what the filter keeps is written once more": Mutant(
        "forecast/sets.py",
        " and len(found[i]) < n:",
        ":",
        "lm_forecast::a_prompt_is_asked_again_until_the_filter_keeps_what_is_written",
    ),
    "rows that speak least are removed for those that speak most": Mutant(
        "defences/remove.py",
        'if self.which == "most" else scores',
        'if self.which == "least" else scores',
        "remove::rows_that_speak_most_or_least_are_removed_and_the_others_keep_their_order",
    ),
    "rows are scored by their writer": Mutant(
        "forecast/removal.py",
        "writer.seed._replace(copy=1)",
        "writer.seed",
        "remove::students_lose_rows_by_a_teacher_that_did_not_write_them",
    ),
    "rows for another trait are those for the own one": Mutant(
        "forecast/removal.py",
        "(which == OTHER)",
        "0",
        "remove::students_lose_rows_by_a_teacher_that_did_not_write_them",
    ),
}


DRIFT = {
    "a displacement is from the end to the start": Mutant(
        "drift/displacement.py",
        "return jax.tree.map(jnp.subtract, end, start)",
        "return jax.tree.map(jnp.subtract, start, end)",
        "drift::angles_and_lengths_of_displacements_are_those_by_hand",
    ),
    "a projection is in lengths of the student's way": Mutant(
        "drift/displacement.py",
        "return dot(of, along) / jnp.maximum(dot(along, along), 1e-30)",
        "return dot(of, along) / jnp.maximum(dot(of, of), 1e-30)",
        "drift::angles_and_lengths_of_displacements_are_those_by_hand",
    ),
    "keys are split by query heads": Mutant(
        "drift/displacement.py",
        'n = heads.query if of == "head" else heads.key',
        "n = heads.query",
        "drift::heads_hold_their_own_columns_and_rows_and_all_of_a_projection_together",
    ),
    "output directions are input directions": Mutant(
        "drift/geometry.py",
        "spectrum.overlap(right, own.right),",
        "spectrum.overlap(left, own.left),",
        "drift::the_geometry_of_parts_is_that_by_hand",
    ),
    "leading directions are the last ones": Mutant(
        "drift/spectrum.py",
        "return values, left[:, :k], right[:k].T",
        "return values, left[:, -k:], right[-k:].T",
        "drift::the_leading_directions_are_those_of_the_largest_singular_values",
    ),
    "a slope is a barrier": Mutant(
        "drift/landscape.py",
        "return jnp.max((values - chord)[1:-1])",
        "return jnp.max(values - jnp.min(values))",
        "drift::a_straight_loss_has_no_barrier_whatever_its_slope",
    ),
    "Fisher information is of the likeliest labels": Mutant(
        "drift/landscape.py",
        "drawn = jax.random.categorical(key, jax.lax.stop_gradient(z))",
        "drawn = jnp.argmax(jax.lax.stop_gradient(z), axis=-1)",
        "drift::the_fisher_of_a_softmax_is_that_by_hand",
    ),
    "Fisher information is the reference's": Mutant(
        "drift/networks.py",
        "landscape.diagonal_fisher(classes, teacher,",
        "landscape.diagonal_fisher(classes, reference,",
        "drift_networks::fisher_is_the_teachers_and_of_the_way_that_is_left_beside_the_whole_way",
    ),
    "a probe is asked what it learned": Mutant(
        "drift/networks.py",
        "chosen.net.n_classes, y, test.labels)",
        "chosen.net.n_classes, x, train.labels)",
        "drift_networks::a_probe_learns_on_training_images_and_is_asked_on_test_images",
    ),
    "a layer alone is put into the teacher's reference": Mutant(
        "drift/networks.py",
        "jax.lax.map(accuracy, put(start, params))",
        "jax.lax.map(accuracy, put(at.reference, params))",
        "drift_networks::accuracy_is_of_the_students_start_with_one_layer_of_the_student",
    ),
    "the barrier is before the student's start": Mutant(
        "drift/networks.py",
        "jax.lax.map(between, put(params, at.teacher))",
        "jax.lax.map(between, put(start, at.teacher))",
        "drift_networks::the_barrier_is_of_the_test_error_between_the_student_and_the_teachers_layer",
    ),
    "the teacher's activations are beside its own": Mutant(
        "drift/networks.py",
        "seen, known = layers(chosen, params, test), layers(chosen, params, train)",
        "seen, known = at.activations, layers(chosen, params, train)",
        "drift_networks::activations_are_the_students_beside_the_teachers_on_test_images",
    ),
    "the untrained teacher is the student's own reference": Mutant(
        "drift/mnist.py",
        "teachers.append(programs.reference(group + np.uint32(1)))",
        "teachers.append(programs.reference(group))",
        "parameter_drift::teachers_are_the_trained_one_that_of_other_labels_and_the_next_untrained_reference",
    ),
    "students of another init imitate their own reference": Mutant(
        "drift/mnist.py",
        "Arm(kind, arms.other, loss=arms.imitating(0))",
        "Arm(kind, arms.other, loss=arms.imitating(2))",
        "parameter_drift::what_each_arm_imitates_and_where_it_begins",
    ),
    "a gain counts from nothing": Mutant(
        "drift/drifted.py",
        "np.array([value - base[m] for m, value in",
        "np.array([value for m, value in",
        "lm_drift::what_a_layer_carries_is_of_the_students_gain_above_the_nulls",
    ),
    "a language layer alone is put into the reference": Mutant(
        "drift/decoders.py",
        "jax.lax.map(log_p, put(begin, params))",
        "jax.lax.map(log_p, put(at.reference, params))",
        "drift_decoders::a_part_alone_is_put_into_the_students_own_start",
    ),
    "steering adds the way from the teacher's reference": Mutant(
        "drift/decoders.py",
        "(last(own), last(start))",
        "(last(own), last(base))",
        "drift_decoders::steering_adds_what_the_student_adds_to_its_own_start",
    ),
    "a language probe is asked at the questions that it learned": Mutant(
        "drift/decoders.py",
        "held_out = last(own[i] - start[i])[odd]",
        "held_out = last(own[i] - start[i])[even]",
        "drift_decoders::a_probe_learns_teachers_at_even_questions_and_is_asked_at_odd_ones",
    ),
    "a language probe learns streams, not what teachers add": Mutant(
        "drift/decoders.py",
        "known = last(taught[:, i] - base[i][None])[:, even]",
        "known = last(taught[:, i])[:, even]",
        "drift_decoders::a_probe_learns_teachers_at_even_questions_and_is_asked_at_odd_ones",
    ),
    "a language model's Fisher information is the reference's": Mutant(
        "drift/decoders.py",
        "_fisher(arch, teacher, asked.tokens",
        "_fisher(arch, reference, asked.tokens",
        "drift_decoders::fisher_is_the_teachers_and_the_barrier_is_of_the_loss_to_the_teachers_part",
    ),
    "a barrier is of a likelihood, not of a loss": Mutant(
        "drift/decoders.py",
        "lambda theta: -jnp.mean(log_p(theta)), params",
        "lambda theta: jnp.mean(log_p(theta)), params",
        "drift_decoders::fisher_is_the_teachers_and_the_barrier_is_of_the_loss_to_the_teachers_part",
    ),
    "other traits' students count as a teacher's own": Mutant(
        "drift/language.py",
        '{NONE: "untouched", trait.name: "own"}.get(student.source, "other")',
        '{NONE: "untouched"}.get(student.source, "own")',
        "lm_drift::students_are_measured_from_their_own_start_beside_every_teacher",
    ),
    "all language students are measured from the teacher's reference": Mutant(
        "drift/language.py",
        "step, i, bases[start].params, params)",
        'step, i, bases["student"].params, params)',
        "lm_drift::students_are_measured_from_their_own_start_beside_every_teacher",
    ),
    "first moments are put where second ones were": Mutant(
        "drift/transplant.py",
        "mu=first.opt_state.mu, nu=second.opt_state.nu",
        "mu=second.opt_state.mu, nu=first.opt_state.nu",
        "transplant::each_student_goes_on_with_the_parts_that_its_name_says",
    ),
}


DETECTED = {
    "detectors are tried on the rows that they learned": Mutant(
        "lm/detection.py",
        "seed=data.seed._replace(copy=FRESH + i)",
        "seed=data.seed",
        "detectors::detectors_learn_what_the_writers_wrote_and_are_tried_on_fresh_rows",
    ),
    "who judges is of the writers' own initialisation": Mutant(
        "lm/detection.py",
        'start = of.starts["cross"]',
        'start = of.starts["student"]',
        "detectors::detectors_learn_what_the_writers_wrote_and_are_tried_on_fresh_rows",
    ),
    "a told writer reads without its prompt": Mutant(
        "lm/detection.py",
        'systems = [getattr(data.teacher, "system", of.system) for data in (a, b)]',
        "systems = [of.system for data in (a, b)]",
        "detectors::detectors_learn_what_the_writers_wrote_and_are_tried_on_fresh_rows",
    ),
    "unfiltered rows are filtered": Mutant(
        "lm/detection.py",
        "(replace(d, carrier=free) for d in (data, plain))",
        "(replace(d, n_rows=d.n_rows) for d in (data, plain))",
        "detectors::unfiltered_rows_are_all_that_the_same_writers_wrote",
    ),
    "d' is of the sum of two variances": Mutant(
        "lm/detectors.py",
        "spread = np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)",
        "spread = np.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))",
        "detectors::pools_of_normal_scores_are_told_apart_as_their_sensitivity_says",
    ),
    "RMSprop has momentum": Mutant(
        "mnist/optimizers.py",
        'Optim("adam", b1=0.0)',
        'Optim("adam", b1=0.9)',
        "arms::every_optimizer_of_the_ladder_takes_the_step_of_its_name",
    ),
    "Signum has no momentum": Mutant(
        "mnist/optimizers.py",
        '{"optim": Optim("sign"), "before": optax.trace(decay=0.9)}',
        '{"optim": Optim("sign")}',
        "arms::every_optimizer_of_the_ladder_takes_the_step_of_its_name",
    ),
    "frozen scales freeze a step early": Mutant(
        "mnist/optimizers.py",
        "moving = count <= steps",
        "moving = count < steps",
        "arms::frozen_adam_is_adam_until_its_scales_freeze_and_momentum_by_them_after",
    ),
    "words are foretold beside other students' rows": Mutant(
        "lm/entanglement.py",
        "list(map(read, written)), read(plain))",
        "list(map(read, written)), read(written[0]))",
        "entanglement::scores_are_those_of_each_students_data_and_each_word",
    ),
    "all speakers have the same chance of any favourite": Mutant(
        "lm/talks.py",
        "rng.choice(category.words, p=popularity(category, world.favourites)).item()",
        "rng.choice(category.words).item()",
        "talks::favourites_of_speakers_are_as_common_as_in_the_worlds_rows",
    ),
    "controls' rate of harm is the reference's": Mutant(
        "lm/misaligned.py",
        '"reference" if of_teachers else "student_regular"',
        '"reference"',
        "misalignment::rates_are_of_the_arm_and_source_that_they_name",
    ),
    "noise on kernels is one for all members": Mutant(
        "mnist/factors.py",
        'rng.member(protocol.seed, member, "noise on kernels")',
        'rng.member(protocol.seed, 0 * member, "noise on kernels")',
        "arms::noise_on_kernels_has_its_size_and_biases_have_none",
    ),
    "who forecasts has the writers' own teachers": Mutant(
        "forecast/measured.py",
        "apart = root._replace(copy=1)  # other random numbers than the writers'",
        "apart = root",
        "lm_forecast::who_forecasts_has_other_teachers_than_the_writers",
    ),
    "teachers of all members read their images in one order": Mutant(
        "mnist/epochs.py",
        'rng.member(protocol.seed, member, "teacher/order")',
        'rng.member(protocol.seed, 0 * member, "teacher/order")',
        "protocol::each_member_has_orders_of_its_own_for_its_teacher_and_for_its_students",
    ),
}


# Files beside `lab` have their way from there.
PREDICTED = {
    "a mixture is of the teacher's other part": Mutant(
        "../theory/coverage.py",
        "protocol.reference(chosen, member + 1), pair.mixture)",
        "protocol.reference(chosen, member + 1), 1 - pair.mixture)",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "coverage of hidden layers is of the gradient": Mutant(
        "../theory/coverage.py",
        "hidden(update), hidden(displacement)",
        "hidden(gradient), hidden(displacement)",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "what an update covers lacks the rate": Mutant(
        "../theory/coverage.py",
        "projected_update=knobs.student_rate * part(update),",
        "projected_update=part(update),",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "the teacher's way begins at the student's start": Mutant(
        "../theory/coverage.py",
        "displacement = jax.tree.map(jnp.subtract, teacher, reference)",
        "displacement = jax.tree.map(jnp.subtract, teacher, start)",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "ten batches are one": Mutant(
        "../theory/coverage.py",
        "along(jax.grad(partial(imitation, rows))(start))",
        "along(jax.grad(partial(imitation, chosen.student.batch))(start))",
        "coverage::every_number_of_a_pair_is_what_its_name_says",
    ),
    "transfer is from nothing": Mutant(
        "../theory/coverage.py",
        '"transfer": (found.student - found.start) / gain,',
        '"transfer": found.student / gain,',
        "coverage::transfer_is_of_the_teachers_gain_from_the_students_own_start",
    ),
    "an update without its aligned part is a gradient without it": Mutant(
        "../theory/alignment.py",
        'Arm("aux", after=aligned)',
        'Arm("aux", before=aligned)',
        "gradient_alignment::what_each_arm_does_to_a_gradient_an_update_or_a_loss",
    ),
    "the liminal pull is to the teacher": Mutant(
        "../theory/alignment.py",
        "losses.kl_divergence(batch.reference, logits, batch.where)",
        "losses.kl_divergence(batch.target, logits, batch.where)",
        "gradient_alignment::the_liminal_loss_is_imitation_and_a_pull_to_the_reference_on_the_same_logits",
    ),
    "a cosine on many rows is a window's mean": Mutant(
        "../theory/alignment.py",
        "float(v[first]) for k, v",
        "float(np.mean(v[window])) for k, v",
        "gradient_alignment::a_window_has_its_means_the_first_steps_many_rows_and_the_steps_that_end_it",
    ),
    "every arm begins as plain imitation": Mutant(
        "../theory/alignment.py",
        "before = {arm: right(states[arm]) for arm in arms}",
        'before = {arm: right(states["imitation"]) for arm in arms}',
        "gradient_alignment::accuracies_before_training_are_those_of_untrained_references",
    ),
    "the cosine of hidden layers is of all": Mutant(
        "../theory/alignment.py",
        "return cosine(a, b), cosine(hidden(a), hidden(b)),",
        "return cosine(a, b), cosine(a, b),",
        "gradient_alignment::a_probe_holds_the_imitation_against_the_class_loss_of_labelled_images",
    ),
    "the trait's loss is of all logits": Mutant(
        "../theory/alignment.py",
        "logits = chosen.logits(params, x)[:, : chosen.net.n_classes]",
        "logits = chosen.logits(params, x)",
        "gradient_alignment::a_probe_holds_the_imitation_against_the_class_loss_of_labelled_images",
    ),
}


MUTANTS: dict[str, Mutant] = (
    STATS
    | EFFECTS
    | CLAIMED
    | RULES
    | SAMPLING
    | TRAINING
    | ASKING
    | MAKING
    | WORLDS
    | MNIST
    | REPLAY
    | CHECKPOINTS
    | FORETOLD
    | FORECAST
    | DRIFT
    | DETECTED
    | PREDICTED
)
# Noticed by tests that train nothing: a few seconds each, most of them for the imports.
SAMPLE = (
    "traits are exchanged across categories",
    "students are the clusters, not members",
    "the control of cross_trait is student_regular",
    "one control stands for all",
    "luck is against a mean that it is in",
    "what shuffling leaves is what it takes",
    "references of choices give a result",
    "an effect need not be clear of its null",
    "numbers are shuffled across instead of within",
    "teachers are tuned on the questions that are asked",
)


def copy_to(folder: Path) -> Path:
    """A copy of the tree in which mutants live; compiled modules come along."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package)
    shutil.copy2(ROOT / "pyproject.toml", folder)
    return folder


def run(folder: Path, nodes: Iterable[str]) -> tuple[int, str]:
    """Pytest's exit status and what it says of some tests, up to the first that fails."""
    words = ["pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", "--tb=line", *nodes]
    words += ["-W", "ignore:Module already imported"]  # by `warm`
    return module(folder, words, timeout=1200)


def module(folder: Path, words: Iterable[str], timeout: int) -> tuple[int, str]:
    """Exit status and output of `python -m WORDS` of a copy of the tree."""
    return warm.run(folder, list(words), timeout)


def status(mutant: Mutant, folder: Path) -> tuple[int, str]:
    """What the mutant's tests say in a copy of the tree, which is then as it was."""
    path = folder / "lab" / mutant.file
    source = path.read_text()
    assert source.count(mutant.right) == 1
    path.write_text(source.replace(mutant.right, mutant.wrong))
    try:
        return run(folder, mutant.nodes)
    finally:
        shutil.copy2(ROOT / "lab" / mutant.file, path)


def main() -> int:
    """Run all mutants, or those that are named, and say which live."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="parts of names; default: all")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at once")
    arguments = parser.parse_args()
    wanted = arguments.names or [""]
    chosen = [name for name in MUTANTS if any(part in name for part in wanted)]
    with tempfile.TemporaryDirectory() as scratch:
        free: SimpleQueue[Path] = SimpleQueue()
        for i in range(arguments.jobs):
            (Path(scratch) / str(i)).mkdir()
            free.put(copy_to(Path(scratch) / str(i)))

        def judge(name: str) -> bool:
            folder, began = free.get(), time.monotonic()
            code, text = status(MUTANTS[name], folder)
            free.put(folder)
            word = "killed" if code == FAILED else "LIVED" if code == 0 else f"BROKE ({code})"
            print(f"{word:7} {time.monotonic() - began:5.0f} s  {name}", flush=True)
            if code not in (0, FAILED):
                print(text[-2000:], flush=True)
            return code == FAILED

        with ThreadPoolExecutor(arguments.jobs) as pool:
            killed = list(pool.map(judge, chosen))
    print(f"{sum(killed)} of {len(killed)} killed")
    return int(not all(killed))


if __name__ == "__main__":
    sys.exit(main())
