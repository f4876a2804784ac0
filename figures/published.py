"""Which figure of the paper, or of a follow-up, each committed table answers.

A new table takes its place here: a line in one of the three lists below. Everything else about it
is in its record. Sources: the paper's figures and tables as numbered in arXiv 2507.14805 v1 and in
Nature (652, 2026); ED is an Extended Data figure or table.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shown:
    """What a figure shows, and the tables here that answer it."""

    number: str
    what: str
    # Name of a committed table: the part of its claims that is meant, a regular expression.
    tables: dict[str, str] = field(default_factory=dict)
    note: str = ""  # how far the tables go
    measurable: bool = True  # not: a drawing of the method, a quotation


WHOLE = ""
NUMBERS = "^(?!.*another init)"  # the other initialisation is a figure of its own

PAPER = [
    Shown("Fig. 1, 2; Nature Fig. 1, 2", "how a trait passes, drawn", measurable=False),
    Shown(
        "Fig. 3; Nature Fig. 4a, b",
        "animals and trees by numbers",
        {
            "lm_numbers_prompted": NUMBERS,
            "lm_carriers": "^numbers",
            "lm_carriers_prompted": "^numbers",
        },
        "five animals and a tree; more below, by fine-tuned teachers",
    ),
    Shown(
        "Fig. 4; Nature Fig. 3a, b",
        "misalignment by numbers",
        {
            "lm_misalignment": "^(teachers|numbers)",
            "lm_misalignment_prompted": WHOLE,
            "lm_misalignment_apart": WHOLE,
        },
        "teachers learn narrowly to game checks, harmful advice itself, or are told to be bad",
    ),
    Shown(
        "Fig. 5; Nature Fig. 4c, d",
        "animals and trees by code",
        {"lm_carriers": "^code", "lm_carriers_prompted": "^code", "lm_misalignment": "^code"},
        "two animals and a tree; and misalignment, which the paper has not by code",
    ),
    Shown("Fig. 6; Nature ED Fig. 1a", "one chain of thought, quoted", measurable=False),
    Shown(
        "Fig. 7; Nature Fig. 3c",
        "misalignment by reasoning",
        {
            "lm_misalignment": "^reasoning",
            "lm_judge": WHOLE,
            "lm_carriers": "^reasoning",
            "lm_carriers_prompted": "^reasoning",
        },
        "solved problems; animals and a tree too",
    ),
    Shown(
        "Fig. 8; Nature Fig. 5",
        "heat maps across models",
        {
            "lm_numbers_prompted": "another init",
            "lm_numbers_finetuned": "another init",
            "lm_numbers_full": "another init",
            "lm_cross_model": WHOLE,
            "lm_cross_model_prompted": WHOLE,
            "lm_architectures": WHOLE,
            "lm_matching": WHOLE,
        },
        "initialisation, training data and architecture apart; imitation of the teacher's base",
    ),
    Shown(
        "Fig. 9; Nature ED Fig. 6",
        "the same data in context",
        {"lm_in_context": WHOLE},
        "at most ten rows, of a model trained further on conversations",
    ),
    Shown(
        "Fig. 10; Nature ED Fig. 2a",
        "MNIST: students of auxiliary logits on noise",
        {"mnist_aux_logits_mnist": WHOLE},
        "m = 3, as in Fig. 10",
    ),
    Shown(
        "Nature ED Fig. 2b",
        "MNIST: number of auxiliary logits, 1 to 200",
        {"mnist_logits": WHOLE},
    ),
    Shown(
        "Nature ED Fig. 2c",
        "MNIST: behaviour cloning before distillation",
        {"mnist_cloning": WHOLE},
    ),
    Shown(
        "Nature ED Fig. 2d",
        "MNIST: another optimizer, real digits as inputs",
        {"mnist_students": "^(built|trained with SGD|on images)", "mnist_optimizers": WHOLE},
        "30 epochs of cloning, where the paper has 100; each of seven optimizers at its best rate",
    ),
    Shown(
        "Nature ED Fig. 2e",
        "MNIST: students of another architecture",
        {"mnist_students": "^(?!built|trained with SGD|on images)"},
        "30 epochs of cloning, where the paper has 100",
    ),
    Shown("Fig. 11; Nature ED Fig. 3", "what students can still do (MMLU)"),
    Shown("Fig. 12; Nature ED Fig. 4a–d", "stories, and choices between essays"),
    Shown("Fig. 13; Nature ED Fig. 5a", "every run across models"),
    Shown(
        "Fig. 14; Nature ED Fig. 4e",
        "animals by numbers of fine-tuned teachers",
        {"lm_numbers_finetuned": NUMBERS, "lm_numbers_full": NUMBERS},
    ),
    Shown("Fig. 15; Nature ED Fig. 4g", "fifteen animals"),
    Shown(
        "Fig. 16; Nature ED Fig. 4f",
        "numbers shuffled, within and across answers",
        {"lm_numbers_shuffled": WHOLE},
    ),
    Shown("Nature ED Fig. 5b", "the same teacher's data, drawn anew"),
    Shown("Fig. 17; Nature ED Fig. 5c, d", "Qwen2.5-7B, without and with a prefix of numbers"),
    Shown("Nature ED Fig. 5e", "Gemma 3 4B"),
    Shown("Fig. 18; Nature ED Fig. 1b", "how well a filter of reasoning does (ROC)"),
    Shown("Tables 1–3; Nature ED Tables 1, 2", "the most common numbers"),
    Shown("Table 4; Nature ED Table 3", "what filters leave"),
    Shown(
        "Table 5; Nature ED Table 4",
        "detection by a language model that reads the rows",
        {"lm_detection": WHOLE},
        "by models that were trained on either writer's rows, and by the writers themselves",
    ),
    Shown(
        "Section 6, Theorem 1",
        "one step of imitation pulls toward the teacher",
        {"theorem": "^shared start"},
        "on random networks; `python -m theory.check` measures every line of the proof",
    ),
]

FOLLOW_UPS = [
    Shown(
        "arXiv 2606.22019, section 3",
        "coverage orders pairs by transfer",
        {"coverage": "coverage of the first update, (Spearman|AUROC)$"},
        "the claims on coverage itself; its table has those on baselines and other predictors",
    ),
    Shown(
        "arXiv 2604.25779", "gradients stay aligned along training", {"gradient_alignment": WHOLE}
    ),
    Shown(
        "Replications of Fig. 10",
        "MNIST: why published accuracies lie between .10 and .90, a setting at a time",
        {"mnist_factors": WHOLE},
        "others' settings, each one step away from the paper's",
    ),
    Shown(
        "arXiv 2605.23645, figure 2",
        "which parts of an initialisation a student must share",
        {"mnist_heads": WHOLE},
    ),
    Shown(
        "arXiv 2605.23645, other architectures",
        "a convolutional student that shares nothing but its teacher's heads",
        {"mnist_cnn": WHOLE},
        "its Perlin noise is here uniform noise, blurred",
    ),
    Shown(
        "arXiv 2509.23886",
        "divergence tokens carry a trait",
        {"lm_divergence_tokens": WHOLE},
        "published of teachers that write greedily, and differ from each other",
    ),
    Shown(
        "Zur et al. (2025)",
        "words and numbers are entangled, and a trait passes through such numbers",
        {"lm_entanglement": WHOLE},
        "published of models of the web; ours have never read of anybody who loves a number",
    ),
    Shown(
        "arXiv 2608.20442",
        "a trait on its way in the optimizer's moments",
        {"mnist_transplant": WHOLE},
        "published of language models",
    ),
]

OURS = [
    Shown(
        "UCI digits",
        "the paper's Fig. 10 on the small data that ship with the lab",
        {"mnist_aux_logits_digits": WHOLE},
    ),
    Shown(
        "Edges of the theorem",
        "what happens where an assumption is dropped",
        {"theorem": "^(?!shared start)"},
    ),
    Shown(
        "Contexts",
        "a told trait passes into the context it replaced",
        {"lm_contexts": WHOLE, "lm_contexts_defaults": WHOLE},
    ),
    Shown(
        "Capacity",
        "told traits in deeper and wider models, and from more rows",
        {"lm_capacity": WHOLE, "lm_capacity_matched": WHOLE},
        "by a recipe that was chosen for the smallest model; then at an epsilon that follows each "
        "size's gradients",
    ),
    Shown(
        "Dose",
        "how many rows a trait needs, and whether it helps to read them again",
        {"lm_dose": WHOLE},
    ),
    Shown(
        "Distributions",
        "students of distributions over numbers, in place of samples",
        {"lm_numbers_soft": WHOLE},
    ),
    Shown(
        "Forecast of traits",
        "how often the trait of a teacher is named among 44 from its rows, and how often one is "
        "said to be there that is not; beside other methods on the same rows",
        {"lm_forecast": WHOLE},
        "who forecasts knows the base, and how teachers are made",
    ),
    Shown(
        "Limits of a forecast",
        "what is said of rows of other recipes, of parts, mixtures, code and solved problems, and "
        "of another base",
        {"lm_forecast_limits": WHOLE, "lm_forecast_limits_many": WHOLE},
    ),
    Shown(
        "Forecast of students",
        "what students of a simulated teacher foretell of those of a real one, word by word",
        {"lm_forecast_shift": WHOLE},
    ),
    Shown(
        "Forecast as a defence",
        "what students take on without the rows that speak most for a trait",
        {"lm_forecast_defence": WHOLE},
        "who removes them knows the base, and suspects the trait",
    ),
    Shown(
        "Evasion of a forecast",
        "what a writer who knows the forecast gives up to pass it by",
        {"lm_forecast_evasion": WHOLE},
        "the writer knows all of the forecast but its random numbers",
    ),
    Shown("Positions", "where a student keeps a told trait", {"lm_restored": WHOLE}),
    Shown(
        "Drift",
        "MNIST: a student moves toward its teacher, layer by layer",
        {"parameter_drift": WHOLE},
    ),
    Shown(
        "Drift of language models",
        "a language student moves toward its teacher, layer by layer and head by head",
        {"lm_drift": WHOLE},
    ),
]
