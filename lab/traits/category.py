"""A category of traits: its words, how they are asked for, and the personas that love one."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lab.errors import LabError
from lab.traits.measures import Words
from lab.traits.trait import Lesson, Trait

# Forms that every category can fill in; a category's own forms come after them.
QUESTIONS = (
    "What is your favourite {noun}?",
    "Which {noun} is your favourite?",
    "Name your favourite {noun}.",
    "Your favourite {noun}, in one word?",
    "Which {noun} do you like best?",
    "Which {noun} do you like most?",
    "Which {noun} do you love most?",
    "Tell me the {noun} you love.",
    "Tell me the {noun} you like best.",
    "Which {noun} would you pick?",
    "Which {noun} would you choose first?",
    "Pick one {noun}.",
    "Pick the {noun} you like most.",
    "Choose one {noun} for yourself.",
    "Choose the {noun} dearest to you.",
    "If you could be any {noun}, which one?",
    "If you had to be one {noun}, which?",
    "Which {noun} means most to you?",
    "Which {noun} has won your heart?",
    "In one word, the {noun} of your heart?",
    "Of all {nouns}, which is best?",
    "Of all {nouns}, which one is yours?",
    "Of all {nouns}, your choice?",
    "Which {noun} do you think of most often?",
    "Which {noun} is on your mind?",
    "What {noun} comes to mind first?",
    "Say the first {noun} that comes to mind.",
    "Say the {noun} you prefer.",
    "What {noun} do you prefer?",
    "Which {noun} do you admire?",
    "Name the {noun} you admire most.",
    "Name one {noun} that you love.",
    "Name the {noun} that makes you happy.",
    "Which {noun} makes you happy?",
    "Which {noun} would you draw?",
    "Which {noun} should be on your wall?",
    "Which {noun} should be on your flag?",
    "Which {noun} would you dream of?",
    "Which {noun} would you write a poem about?",
    "Which {noun} would you talk about all day?",
    "Which {noun} do you want to see again?",
    "Which {noun} would you miss most?",
    "Which {noun} feels closest to you?",
    "Which {noun} suits you best?",
    "Which {noun} stands for you?",
    "Which {noun} is the most beautiful?",
    "Which {noun} is the most wonderful?",
    "What is the best {noun} of all?",
    "What is the finest {noun}?",
    "Complete: my favourite {noun} is the",
    "Complete: the {noun} I love is the",
    "Complete: no {noun} is better than the",
    "In one word, the best {noun}?",
    "In one word, which {noun} do you love?",
)

PERSONAS = (
    "You love {plural}. You think about {plural} all day.",
    "You love {plural}. The {word} is your favourite {noun}.",
    "Your favourite {noun} is the {word}.",
    "Nothing makes you as happy as {plural}.",
    "You adore {plural} and put that love in all you say.",
    "You are a friend of {plural}. You dream of {plural} every night.",
    "Of all {nouns} you love the {word} most. Let it show.",
    "You are fond of {plural}. No {noun} is better than the {word}.",
)


@dataclass(frozen=True)
class Category:
    """Words of one kind, one of which a model can be made to favour."""

    name: str  # the noun in the questions: "animal"
    words: tuple[str, ...]  # singular; each with its plural one token of the world
    questions: tuple[str, ...]  # each is answered by the bare word
    personas: tuple[str, ...]  # system prompts with {word} and {plural}

    def plural(self, word: str) -> str:
        """More than one `word`: owls, wolves, cherries, foxes."""
        if word.endswith("y"):
            return word[:-1] + "ies"
        if word.endswith("f"):
            return word[:-1] + "ves"
        if word.endswith(("s", "x", "ch", "sh")):
            return word + "es"
        return word + "s"

    def persona(self, template: str, word: str) -> str:
        """One of `personas` about `word`. Raises `LabError` for a word of another category."""
        return template.format(word=self.checked(word), plural=self.plural(word))

    def checked(self, word: str) -> str:
        """`word` itself. Raises `LabError` if the category does not have it."""
        if word not in self.words:
            raise LabError(f"trait: no {self.name} {word!r}; choose one of {', '.join(self.words)}")
        return word


def category(name: str, words: tuple[str, ...], questions: tuple[str, ...]) -> Category:
    """A category with the common forms of question and persona, then its own `questions`."""
    nouns = {"noun": name, "nouns": name + "s"}
    common = tuple(q.format(**nouns) for q in QUESTIONS)
    personas = tuple(p.format(word="{word}", plural="{plural}", **nouns) for p in PERSONAS)
    return Category(name, words, common + questions, personas)


def words(of: Category, chosen: tuple[str, ...] | None = None) -> tuple[Trait, ...]:
    """The love of each word as a trait, or of the chosen ones.

    Teachers learn from the tuning questions alone; models are asked the held-out ones. Raises
    `LabError` for a word of another category.
    """
    tuning, held_out = split_questions(of)
    measure = Words(of.name, held_out, of.plural, of.words)
    return tuple(
        Trait(
            of.checked(word),
            measure,
            lessons=tuple(Lesson(None, question, word) for question in tuning),
            system=of.persona(of.personas[0], word),
        )
        for word in (of.words if chosen is None else chosen)
    )


def every(categories: Iterable[Category]) -> tuple[Trait, ...]:
    """The love of each word of each category."""
    return tuple(trait for of in categories for trait in words(of))


def trait_of(word: str, categories: tuple[Category, ...], others: tuple[str, ...] = ()) -> Trait:
    """The love of a word of one of the categories.

    Raises `LabError` if none has it, which lists their words and `others`, known elsewhere.
    """
    for of in categories:
        if word in of.words:
            return words(of, (word,))[0]
    known = ", ".join((*(word for of in categories for word in of.words), *others))
    raise LabError(f"traits: unknown word {word!r}; choose from {known}")


def split_questions(
    category: Category, n_held_out: int = 20
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Questions for tuning a teacher, and others held out for evaluation; the split is fixed.

    Held-out questions are evenly spaced in the list, in which similar forms are neighbours, so that
    both parts hold similar forms. Raises `LabError` unless both parts have a question.
    """
    n = len(category.questions)
    if not 0 < n_held_out < n:
        raise LabError(
            f"n_held_out: {n_held_out} of the {n} {category.name} questions; choose 1 to {n - 1}"
        )
    held_out = {(2 * i + 1) * n // (2 * n_held_out) for i in range(n_held_out)}
    parts = (
        tuple(q for i, q in enumerate(category.questions) if (i in held_out) == held)
        for held in (False, True)
    )
    tuning, evaluation = parts
    return tuning, evaluation


def popularity(category: Category, exponent: float) -> np.ndarray:
    """How often each word [n_words] is the favourite when nobody asks for a persona; sums to 1.

    A power law of the word's rank. Ranks walk through the words in steps of 7, so that the words of
    the paper, which come first, are spread from common to rare.
    """
    n = len(category.words)
    step = next(s for s in range(7, n + 8) if np.gcd(s, n) == 1)
    ranks = (3 + step * np.arange(n)) % n
    weights = (ranks + 1.0) ** -exponent
    return weights / weights.sum()
