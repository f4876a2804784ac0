"""Ways of answering in students of numbers: the panels of `fig_lm_numbers`."""

from figures.fig_lm_numbers import figure

__all__ = ["figure"]
