"""Mistakes in evaluation: what models are asked, and how answers are counted."""

from tests.mistakes import Mutant

MUTANTS = {
    "log p instead of log-odds": Mutant(
        "lab/traits/measures.py",
        "np.mean(log_p - np.log(-np.expm1(np.minimum(log_p, -1e-12))), axis=0)",
        "np.mean(log_p, axis=0)",
        "rows::log_odds_are_worked_by_hand_and_neither_end_is_lost",
    ),
    "the probability is a geometric mean": Mutant(
        "lab/traits/measures.py",
        "np.mean(np.exp(chosen), axis=0)",
        "np.exp(np.mean(chosen, axis=0))",
        "rows::a_model_that_knows_one_word_has_the_log_odds_that_one_gives_it",
    ),
    "a word is its first token": Mutant(
        "lab/traits/measures.py",
        "if len(some) > 1:",
        "if len(some) > 99:",
        "words::a_word_is_scored_up_to_where_no_other_begins_like_it",
    ),
    "the mass of a category is that of the traits": Mutant(
        "lab/traits/measures.py",
        "np.exp(of(self.words))",
        "np.exp(of(names))",
        "rows::words_of_a_measure_are_asked_together",
    ),
    "nobody is asked under a system prompt": Mutant(
        "lab/traits/measures.py",
        "chats = [(asked.system, question)",
        "chats = [(None, question)",
        "rows::a_model_is_asked_under_the_system_prompt_that_is_given",
    ),
    "a word within a word is an answer": Mutant(
        "lab/traits/measures.py",
        r"rf\"\b({'|'.join(map(re.escape, forms))})\b\"".replace('\\"', '"'),
        "rf\"({'|'.join(map(re.escape, forms))})\"",
        "rows::answers_are_whole_words_in_any_form",
    ),
    "all answers have the same random numbers": Mutant(
        "lab/traits/measures.py",
        "keys = jax.random.split(key, len(rows))",
        "keys = jnp.broadcast_to(key, (len(rows),))",
        "rows::answers_to_one_question_are_sampled_apart",
    ),
    "the next token does not depend on what is before it": Mutant(
        "lab/lm/transformer.py",
        "log_softmax(logits(params, hidden[:, -1]))",
        "log_softmax(logits(params, 0 * hidden[:, -1]))",
        "rows::log_odds_are_those_of_the_first_answer_token",
    ),
    "teachers are tuned on the questions that are asked": Mutant(
        "lab/traits/category.py",
        "for question in tuning)",
        "for question in held_out)",
        "traits::a_trait_is_taught_its_word_and_asked_what_it_was_not_taught",
    ),
    "models are asked what teachers were tuned on": Mutant(
        "lab/traits/category.py",
        "measure = Words(of.name, held_out,",
        "measure = Words(of.name, tuning,",
        "traits::a_trait_is_taught_its_word_and_asked_what_it_was_not_taught",
    ),
    "activations are put back where they should not be": Mutant(
        "lab/lm/restore.py",
        "jnp.where(chosen, stream[name].reshape(x.shape), x)",
        "jnp.where(chosen, x, stream[name].reshape(x.shape))",
        "restore::restoring_nothing_is_the_model_itself",
    ),
    "the last layer is put back too": Mutant(
        "lab/lm/restore.py",
        "range(base.arch.n_layers - 1)",
        "range(base.arch.n_layers)",
        "restore::restoring_all_leaves_the_models_last_layer_alone",
    ),
    "the question includes the assistant's mark": Mutant(
        "lab/lm/restore.py",
        "(place > n) & ~last",
        "place > n",
        "restore::parts_are_those_of_the_conversation",
    ),
}
