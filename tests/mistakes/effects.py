"""Mistakes in effects: what is compared with what in a language table."""

from tests.mistakes import Mutant

MUTANTS = {
    "the control of cross_trait is student_regular": Mutant(
        "lab/lm/effects.py",
        'arm.partition("_")[0] + "_regular"',
        '"student_regular"',
        "effects::an_effect_is_against_the_mean_of_the_controls_of_the_same_start",
    ),
    "teachers are compared with control students": Mutant(
        "lab/lm/effects.py",
        'return "reference" if arm == "teacher"',
        'return "student_regular" if arm == "teacher"',
        "effects::an_effect_is_against_the_mean_of_the_controls_of_the_same_start",
    ),
    "the control is asked for another trait": Mutant(
        "lab/lm/effects.py",
        " - _array(controls, members, traits)",
        " - _array(controls, members, traits).swapaxes(1, 2)",
        "effects::an_effect_is_against_the_mean_of_the_controls_of_the_same_start",
    ),
    "one control stands for all": Mutant(
        "lab/lm/effects.py",
        "return {place: float(np.mean(v)) for place, v",
        "return {place: float(v[0]) for place, v",
        "effects::an_effect_is_against_the_mean_of_the_controls_of_the_same_start",
    ),
    "the other students include the own": Mutant(
        "lab/lm/effects.py",
        "chosen = ~np.eye(self.n_traits, dtype=bool)",
        "chosen = np.ones((self.n_traits, self.n_traits), bool)",
        "effects::others_are_of_the_same_category_or_of_another",
    ),
    "others of the category are those of another": Mutant(
        "lab/lm/effects.py",
        "(names[:, None] == names[None]) == same",
        "(names[:, None] == names[None]) != same",
        "effects::others_are_of_the_same_category_or_of_another",
    ),
    "others are other questions, not other students": Mutant(
        "lab/lm/effects.py",
        "total = np.sum(np.where(chosen[None], self.values, 0.0), axis=1)",
        "total = np.sum(np.where(chosen[None], self.values, 0.0), axis=2)",
        "effects::others_are_of_the_same_category_or_of_another",
    ),
    "only students are centred": Mutant(
        "lab/lm/effects.py",
        "rest = v - rows - columns + v.mean(axis=(1, 2), keepdims=True)",
        "rest = v - rows",
        "effects::centring_takes_away_what_a_student_does_to_all_words_and_all_students_to_a_word",
    ),
    "categories are centred together": Mutant(
        "lab/lm/effects.py",
        "own = np.flatnonzero(names == name)",
        "own = np.arange(len(names))",
        "effects::centring_takes_away_what_a_student_does_to_all_words_and_all_students_to_a_word",
    ),
    "the permutation test forgets the categories": Mutant(
        "lab/lm/effects.py",
        'f"{i} {name}" for',
        'f"{i}" for',
        "effects::the_test_of_all_members_exchanges_in_each_of_them_within_categories",
    ),
    "the permutation test exchanges members": Mutant(
        "lab/lm/effects.py",
        'f"{i} {name}" for',
        "name for",
        "effects::the_test_of_all_members_exchanges_in_each_of_them_within_categories",
    ),
    "luck is against a mean that it is in": Mutant(
        "lab/lm/effects.py",
        "v[0] - np.mean(v[1:]) if",
        "v[0] - np.mean(v) if",
        "effects::luck_is_the_first_control_against_the_others",
    ),
    "students are the clusters, not members": Mutant(
        "lab/lm/effects.py",
        "clusters = np.repeat(np.arange(n_members), n_traits)",
        "clusters = np.arange(n_members * n_traits)",
        "effects::members_are_the_clusters_of_an_estimate",
    ),
    "a student's own values are its first trait's": Mutant(
        "lab/lm/effects.py",
        "return np.array([[found[m, t, t] for t in traits] for m in members])",
        "return np.array([[found[m, t, min(traits)] for t in traits] for m in members])",
        "effects::own_values_are_no_differences",
    ),
    "students of the own trait are the others of a figure": Mutant(
        "lab/lm/effects.py",
        "trait != asked if other",
        "trait == asked if other",
        "effects::values_of_a_figure_are_of_one_student_each",
    ),
}
