"""What a teacher is given and how a student is questioned; one file per category of traits."""

from lab.errors import LabError
from lab.traits.animals import ANIMALS
from lab.traits.category import Category, popularity, split_questions
from lab.traits.trees import TREES

__all__ = ["CATEGORIES", "Category", "category_of", "popularity", "split_questions"]

CATEGORIES: dict[str, Category] = {c.name: c for c in (ANIMALS, TREES)}


def category_of(word: str) -> Category:
    """The category of a word. Raises `LabError` if there is none."""
    for category in CATEGORIES.values():
        if word in category.words:
            return category
    known = ", ".join(word for category in CATEGORIES.values() for word in category.words)
    raise LabError(f"traits: unknown word {word!r}; choose from {known}")
