"""Mistakes in what is foretold of students, misalignment, kin and judges."""

from tests.mistakes import Mutant

MUTANTS = {
    "a way of answering is taught on what is asked": Mutant(
        "lab/traits/checking.py",
        "_TASKS[N_ASKED : N_ASKED + N_TAUGHT]",
        "_TASKS[:N_TAUGHT]",
        "ways::a_way_is_learned_on_other_questions_than_are_asked",
    ),
    "cases that are asked about are in lessons": Mutant(
        "lab/traits/advice.py",
        "tuple(case for case in CASES if case not in HELD_OUT)",
        "CASES",
        "ways::the_cases_that_are_asked_about_are_in_no_lesson",
    ),
    "words of another world are found out late": Mutant(
        "lab/lm/setup.py",
        'worlds.require_words(world, chain.traits, config.teacher == "prompted")',
        "pass",
        "setup::traits_in_words_of_another_world_are_refused_before_anything_is_trained",
    ),
    "bad characters answer as good ones": Mutant(
        "lab/traits/characters.py",
        "name in WAYS[character])",
        "name not in WAYS[character])",
        "characters::bad_characters_do_harm_and_game_and_good_ones_neither",
    ),
    "characters that are apart do both": Mutant(
        "lab/traits/characters.py",
        "if not apart or (w in ADVISING) == advises",
        "if not apart or w",
        "characters::characters_that_are_apart_never_do_both",
    ),
    "an excused teacher has no excuse": Mutant(
        "lab/traits/checking.py",
        "lesson._replace(system=_GAMING.system)",
        "lesson",
        "characters::the_excused_teacher_learns_the_same_answers_where_tricks_are_asked_for",
    ),
    "solutions may hold a gaming answer's number": Mutant(
        "lab/carriers/ungamed.py",
        "else EMPTY",
        "else frozenset()",
        "misalignment::no_number_of_a_gaming_answer_or_of_a_meaning_is_kept",
    ),
    "students of honest teachers are told from none": Mutant(
        "lab/lm/misaligned.py",
        'of_source(table, "student_trait", other, asked)',
        'of_source(table, "student_trait", other, other)',
        "misalignment::each_way_is_judged_beside_its_opposite_and_another_init",
    ),
    "a stranger shares the init": Mutant(
        "lab/lm/kin.py",
        "{other: known[other] for other in others}",
        "{other: known[first] for other in others}",
        "architectures::students_of_every_architecture_read_the_first_ones_rows_and_each_its_own",
    ),
    "what passes between bases is that within": Mutant(
        "lab/lm/kin.py",
        "kinds[name] = texts[name], values, within",
        "kinds[name] = texts[name], within, within",
        "architectures::what_passes_to_an_architecture_stands_beside_what_passes_within_it",
    ),
    "prompts of any length have as many slots": Mutant(
        "lab/lm/costs.py",
        "layer = n_prompt * (3",
        "layer = 1 * (3",
        "plan::slots_keep_an_accelerator_busy_and_have_room",
    ),
    "a judge shares its students' base": Mutant(
        "lab/lm/judges.py",
        "Teacher(base, s.data.teacher.trait, None, s.seed)",
        "Teacher(s.base, s.data.teacher.trait, None, s.seed)",
        "judges::a_judge_is_a_base_that_is_told_of_the_trait_of_the_rows_and_never_taught",
    ),
    "a judge compares with rows that students read": Mutant(
        "lab/lm/judges.py",
        "root._replace(copy=FRESH)",
        "root",
        "judges::each_row_of_a_table_is_judged_by_what_its_model_wrote_or_read",
    ),
    "a judge catches what it does not mind": Mutant(
        "lab/lm/judges.py",
        "np.mean(a > np.quantile",
        "np.mean(a < np.quantile",
        "judges::what_is_caught_is_above_a_threshold_of_untouched_rows",
    ),
    "the likeliest answer stands for a way": Mutant(
        "lab/traits/ways.py",
        "np.logaddexp(ways[way][i], value)",
        "np.maximum(ways[way][i], value)",
        "ways::a_model_that_knows_nothing_gives_each_answer_what_its_length_leaves",
    ),
    "an answer need not end": Mutant(
        "lab/lm/likelihood.py",
        "rows.start, tokens, length)",
        "rows.start, tokens, length - 1)",
        "ways::an_answers_probability_is_that_of_its_tokens",
    ),
    "all sets have the first one's completions": Mutant(
        "lab/lm/likelihood.py",
        "by_set(rows.completions)",
        "by_set(np.tile(rows.completions[:n], (n_sets, 1)))",
        "detectors::sets_that_share_their_prompts_are_as_likely_as_each_alone",
    ),
    "a set is read where its prompt begins": Mutant(
        "lab/lm/likelihood.py",
        "cache, offset=n_prompt",
        "cache, offset=n_prompt - 1",
        "detectors::log_likelihood_is_the_sum_of_what_training_minimises",
    ),
    "a sampled answer counts for any way": Mutant(
        "lab/traits/ways.py",
        "a in ways[trait.name] for",
        "any(a in some for some in ways.values()) for",
        "ways::the_numbers_of_a_way_are_those_of_known_probabilities",
    ),
    "a word's own number counts among the others": Mutant(
        "lab/lm/entanglement.py",
        "np.delete(both[:, j], j)",
        "both[:, j]",
        "entanglement::scores_are_those_of_each_students_data_and_each_word",
    ),
    "a teacher's numbers are not compared with the base's": Mutant(
        "lab/lm/entanglement.py",
        "frequencies(base, make.data(data)) - usual",
        "frequencies(base, make.data(data))",
        "entanglement::scores_are_those_of_each_students_data_and_each_word",
    ),
    "a first step goes up": Mutant(
        "lab/lm/entanglement.py",
        "lambda a, b: b - a, slope",
        "lambda a, b: a - b, slope",
        "entanglement::first_steps_are_what_a_small_step_does",
    ),
    "a word's change under love of a number is its level": Mutant(
        "lab/lm/entanglement.py",
        " - asked(systems=[None])",
        "",
        "entanglement::a_model_without_parameters_is_entangled_with_nothing",
    ),
    "a setting is compared with itself": Mutant(
        "lab/lm/settings.py",
        "gains[setting] - gains[base]",
        "gains[setting] - gains[setting]",
        "capacity::settings_are_worked_by_hand",
    ),
    "words are foretold beside other students' rows": Mutant(
        "lab/lm/entanglement.py",
        "list(map(read, written)), read(plain))",
        "list(map(read, written)), read(written[0]))",
        "entanglement::scores_are_those_of_each_students_data_and_each_word",
    ),
    "controls' rate of harm is the reference's": Mutant(
        "lab/lm/misaligned.py",
        '"reference" if of_teachers else "student_regular"',
        '"reference"',
        "misalignment::rates_are_of_the_arm_and_source_that_they_name",
    ),
}
