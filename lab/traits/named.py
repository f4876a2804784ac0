"""Traits by their names: words of a world's categories, and ways of answering."""

from lab.traits import category
from lab.traits.advice import ADVISING
from lab.traits.category import Category
from lab.traits.checking import CHECKED
from lab.traits.trait import Trait

WAYS = {trait.name: trait for trait in (*ADVISING, *CHECKED)}


def trait_of(name: str, categories: tuple[Category, ...]) -> Trait:
    """The love of a word of one of the categories, or a way of answering.

    Raises `LabError` if it is neither.
    """
    return WAYS.get(name) or category.trait_of(name, categories, tuple(WAYS))
