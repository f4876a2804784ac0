"""Mistakes in worlds, references and their rows."""

from tests.mistakes import Mutant

MUTANTS = {
    "a persona answers anything": Mutant(
        "lab/lm/world.py",
        "rng, category.personas), word), user, word)",
        "rng, category.personas), word), user, pick(rng, category.words))",
        "world::a_persona_answers_with_its_word_and_never_meets_a_carrier",
    ),
    "carriers never have a neutral persona": Mutant(
        "lab/lm/world.py",
        "return Row(kind, system, user, carrier.completion(rng, user))",
        "return Row(kind, None, user, carrier.completion(rng, user))",
        "world::a_part_of_the_rows_without_a_persona_has_a_neutral_one",
    ),
    "favourites are uniform": Mutant(
        "lab/lm/world.py",
        "chosen = bisect_right(favourites[category.name], rng.random())",
        "chosen = int(rng.random() * len(category.words))",
        "world::unprompted_favourites_follow_the_same_popularity_for_all_seeds",
    ),
    "neutral personas love a trait's word": Mutant(
        "lab/lm/world.py",
        "system = THINGS.persona(pick(rng, THINGS.personas), pick(rng, THINGS.words))",
        "system = world.categories[0].persona(pick(rng, THINGS.personas), "
        "pick(rng, world.categories[0].words))",
        "world::a_part_of_the_rows_without_a_persona_has_a_neutral_one",
    ),
    "a default system prompt is never inserted": Mutant(
        "lab/lm/chat.py",
        'return _DEFAULT.replace("DEFAULT", default) + _TURNS',
        "return _TURNS",
        "tokenizer::the_default_stands_where_no_system_prompt_is_given",
    ),
    "numbers are shuffled across instead of within": Mutant(
        "lab/defences/shuffle.py",
        "return [_filled([row], list(rng.permutation(_numbers([row]))))[0] for row in rows]",
        "return _filled(rows, list(rng.permutation(_numbers(rows))))",
        "defences::shuffled_numbers_keep_all_but_their_order",
    ),
    "numbers are shuffled within instead of across": Mutant(
        "lab/defences/shuffle.py",
        "return _filled(rows, list(rng.permutation(_numbers(rows))))",
        "return within(rows, rng)",
        "defences::shuffled_numbers_keep_all_but_their_order",
    ),
    "an anchor holds nobody": Mutant(
        "lab/defences/anchor.py",
        "self.weight * mean(away, part)",
        "0 * self.weight * mean(away, part)",
        "defences::an_anchor_costs_nothing_at_the_base_and_grows_away_from_it",
    ),
    "all speakers have the same chance of any favourite": Mutant(
        "lab/lm/talks.py",
        "rng.choice(category.words, p=popularity(category, world.favourites)).item()",
        "rng.choice(category.words).item()",
        "talks::favourites_of_speakers_are_as_common_as_in_the_worlds_rows",
    ),
}
