"""Pictures with choices: widgets where there are some, and everywhere a picture of the first."""

import os
from collections.abc import Callable, Sequence
from typing import Any

STATIC = "SUBLIMINAL_STATIC_NOTEBOOK"  # set while notebooks are built: a page shows no widgets


def explore(draw: Callable[..., Any], **choices: Sequence) -> None:
    """Call `draw` with the first of each choice; in a live notebook, again with what is chosen.

    Without ipywidgets the first picture is all: call `draw` yourself with other choices.
    """
    draw(**{name: values[0] for name, values in choices.items()})
    if os.environ.get(STATIC):
        return
    try:
        import ipywidgets
        from IPython import get_ipython
    except ImportError:
        return
    if get_ipython() is not None:
        sliders = {
            name: ipywidgets.SelectionSlider(options=list(values), description=name)
            for name, values in choices.items()
        }
        ipywidgets.interact(draw, **sliders)
