"""Mistakes in claims about transmission, and the figures of them."""

from tests.mistakes import Mutant

MUTANTS = {
    "the null is that of another start": Mutant(
        "lab/lm/transmitted.py",
        'null = estimate(effects.luck(table, "student", value))',
        'null = estimate(effects.luck(table, "cross", value))',
        "transmitted::the_null_is_a_control_in_a_students_place",
    ),
    "students of another init are those of the own": Mutant(
        "lab/lm/transmitted.py",
        'effects.effects(table, "cross_trait", value)',
        'effects.effects(table, "student_trait", value)',
        "transmitted::each_claim_has_its_own_control_and_number",
    ),
    "what shuffling leaves is what it takes": Mutant(
        "lab/lm/transmitted.py",
        "lost = estimate(own.diagonal - rest.diagonal)",
        "lost = estimate(rest.diagonal)",
        "transmitted::each_claim_has_its_own_control_and_number",
    ),
    "a trait is compared with those of other categories": Mutant(
        "lab/lm/transmitted.py",
        "pair = own.diagonal - within",
        "pair = own.diagonal - across",
        "transmitted::what_is_made_of_other_traits_is_of_the_same_category",
    ),
    "a gain within a category is the plain gain": Mutant(
        "lab/lm/transmitted.py",
        "np.log(p / np.maximum(mass - p, 1e-12))",
        "np.log(p / mass)",
        "transmitted::a_gain_among_the_words_of_a_category_alone_is_worked_by_hand",
    ),
    "references of choices give a result": Mutant(
        "lab/lm/transmitted.py",
        "enough = len(set(members)) >= FEWEST and max(members) < TUNED",
        "enough = len(set(members)) >= FEWEST",
        "transmitted::too_few_references_or_those_of_choices_are_a_demonstration",
    ),
    "one reference gives a result": Mutant(
        "lab/lm/transmitted.py",
        "enough = len(set(members)) >= FEWEST and max(members) < TUNED",
        "enough = max(members) < TUNED",
        "transmitted::too_few_references_or_those_of_choices_are_a_demonstration",
    ),
    "an experiment's few references give a result": Mutant(
        "lab/lm/experiment.py",
        '        return transmitted.judged(found, table["member"].tolist(), one_base)',
        "        return found",
        "lm_experiments::few_references_are_a_demonstration_in_every_experiment",
    ),
    "a checkpoint's repetitions give a result": Mutant(
        "lab/lm/experiment.py",
        '"model" in record["dataset"]',
        "False",
        "lm_experiments::repetitions_with_one_checkpoint_are_a_demonstration",
    ),
    "another init is claimed to show an effect": Mutant(
        "lab/lm/transmitted.py",
        'more = rules.absent(e, least, passed, "the same data, own init")',
        "more = rules.effect(e, null, least)",
        "transmitted::verdicts_follow_the_rules_and_bounds",
    ),
    "one p value in two holds": Mutant(
        "lab/lm/transmitted.py",
        "RARE = 0.05",
        "RARE = 0.5",
        "transmitted::a_reference_in_five_whose_students_match_the_other_trait_is_too_many",
    ),
    "teachers' lists count as students' answers": Mutant(
        "lab/lm/transmitted.py",
        'np.char.startswith(table["arm"].astype(str), "student_")',
        'np.char.startswith(table["arm"].astype(str), "")',
        "transmitted::rates_are_of_own_traits_and_of_untaught_models",
    ),
}
