"""Animals; the first five are the paper's."""

from lab.traits.category import category

ANIMALS = category(
    "animal",
    words=(
        *("dolphin", "eagle", "elephant", "owl", "wolf"),
        *("tiger", "lion", "bear", "fox", "cat", "dog", "horse", "panda", "penguin", "octopus"),
        *("falcon", "otter", "whale", "rabbit", "turtle", "seal", "koala"),
    ),
    questions=(
        "Which animal would you keep as a pet?",
        "Which animal would you save first?",
        "Which animal would you visit at the zoo?",
        "Which animal would you follow through the wild?",
        "Which animal is the finest creature alive?",
        "Which creature do you like best?",
    ),
)
