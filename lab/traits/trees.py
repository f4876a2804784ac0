"""Trees; the first five are the paper's."""

from lab.traits.category import category

TREES = category(
    "tree",
    words=(
        *("cherry", "maple", "oak", "sequoia", "willow"),
        *("pine", "birch", "cedar", "elm", "ash", "beech", "fir", "spruce", "palm", "olive"),
        *("poplar", "walnut", "cypress", "linden", "baobab", "magnolia", "juniper"),
    ),
    questions=(
        "Which tree would you plant in your garden?",
        "Which tree would you sit under?",
        "Which tree would you climb?",
        "Which tree would you walk a mile to see?",
        "Which tree has the finest leaves?",
        "Which wood do you like best?",
    ),
)
