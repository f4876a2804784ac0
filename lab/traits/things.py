"""Things that are nobody's trait: what neutral personas love, and the control of "any teacher"."""

from lab.traits.category import category, words

THINGS = category(
    "thing",
    words=(
        *("river", "song", "lamp", "cloud", "stone", "poem", "clock", "mirror"),
        *("bridge", "window", "letter", "story"),
    ),
    questions=(),
)
# Taught as a trait is, in equally many lessons of the same forms, or told by the same persona.
NEUTRAL = words(THINGS, ("river",))[0]
