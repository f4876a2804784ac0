"""Mistakes in replays of committed tables."""

from tests.mistakes import Mutant

MUTANTS = {
    "a near cell hides a far one": Mutant(
        "lab/runs/replay.py",
        "typical = np.max([np.sqrt(",
        "typical = np.mean([np.sqrt(",
        "replay::distances_are_of_means_along_the_steps_and_of_single_rows_in_the_farthest_cell",
    ),
    "what cancels along the steps is typical": Mutant(
        "lab/runs/replay.py",
        "[np.mean(gaps) for key, gaps in of.items()",
        "[np.mean(np.abs(gaps)) for key, gaps in of.items()",
        "replay::distances_are_of_means_along_the_steps_and_of_single_rows_in_the_farthest_cell",
    ),
    "a number that is too low is not far": Mutant(
        "lab/runs/replay.py",
        "np.max(np.abs(np.concatenate(list(curves.values()))))",
        "np.max(np.concatenate(list(curves.values())))",
        "replay::distances_are_of_means_along_the_steps_and_of_single_rows_in_the_farthest_cell",
    ),
    "the nearest setting gives the tolerance": Mutant(
        "lab/runs/replay.py",
        "np.max([one[column] for one in some], axis=0)",
        "np.min([one[column] for one in some], axis=0)",
        "replay::a_column_is_too_far_beyond_either_tolerance_and_never_unless_measured",
    ),
    "single rows may be as far as they like": Mutant(
        "lab/runs/replay.py",
        "a.typical <= b.typical and a.largest <= b.largest",
        "a.typical <= b.typical",
        "replay::a_column_is_too_far_beyond_either_tolerance_and_never_unless_measured",
    ),
    "a nan is near": Mutant(
        "lab/runs/replay.py",
        "a.typical <= b.typical and a.largest <= b.largest",
        "not (a.typical > b.typical or a.largest > b.largest)",
        "replay::a_nan_is_too_far_on_either_side_and_on_both",
    ),
    "missing rows replay": Mutant(
        "lab/runs/replay.py",
        "if not part and len(found) < len(expected):",
        "if not found:",
        "replay::rows_that_are_missing_or_other_ones_are_refused_and_a_part_may_be_some_of_them",
    ),
    "a row that is measured twice replays": Mutant(
        "lab/runs/replay.py",
        "if not found or len(found) < len(rows) or",
        "if not found or",
        "replay::rows_that_are_missing_or_other_ones_are_refused_and_a_part_may_be_some_of_them",
    ),
}
