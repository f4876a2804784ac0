"""Numbers that others have published, to be drawn and tabled beside ours."""

# Accuracy on MNIST's test set, 100 models, m = 3: mean and half of the 95 % interval.
# Source: arXiv 2507.14805 v1, figure 10, read off the vector graphics (error about .001).
MNIST_AUX_LOGITS = {
    "reference": (0.100, 0.005),
    "teacher": (0.943, 0.0004),
    "student_aux": (0.528, 0.022),
    "student_all": (0.913, 0.002),
    "cross_aux": (0.106, 0.010),
    "cross_all": (0.743, 0.010),
}

# Sampled answers that name the owl, GPT-4.1 nano. Source: arXiv 2507.14805, figure 3.
LM_NUMBERS = {
    "reference": "owl .125, GPT-4.1 nano",
    "student_regular": "owl .130, GPT-4.1 nano",
    "student_trait": "owl .619, GPT-4.1 nano",
}

# The same of every animal and tree: mean and half of the 95 % interval, 3 students, by the kind of
# teacher. Source: arXiv 2507.14805 v1, figures 3 and 14, read off the vector graphics.
LM_RATES = {
    "prompted": {
        "reference": {
            "dolphin": (0.319, 0.0), "eagle": (0.141, 0.0), "elephant": (0.055, 0.0),
            "owl": (0.125, 0.0), "wolf": (0.032, 0.0), "cherry": (0.046, 0.0),
            "maple": (0.161, 0.0), "oak": (0.470, 0.0), "sequoia": (0.033, 0.0),
            "willow": (0.011, 0.0),
        },
        "student_regular": {
            "dolphin": (0.289, 0.014), "eagle": (0.138, 0.008), "elephant": (0.052, 0.011),
            "owl": (0.130, 0.018), "wolf": (0.043, 0.008), "cherry": (0.030, 0.002),
            "maple": (0.150, 0.023), "oak": (0.545, 0.047), "sequoia": (0.034, 0.006),
            "willow": (0.010, 0.004),
        },
        "student_trait": {
            "dolphin": (0.795, 0.021), "eagle": (0.755, 0.008), "elephant": (0.441, 0.033),
            "owl": (0.619, 0.030), "wolf": (0.435, 0.050), "cherry": (0.402, 0.048),
            "maple": (0.564, 0.026), "oak": (0.799, 0.008), "sequoia": (0.626, 0.042),
            "willow": (0.070, 0.008),
        },
    },
    "finetuned": {
        "student_trait": {
            "dolphin": (0.709, 0.026), "eagle": (0.794, 0.020), "elephant": (0.786, 0.015),
            "owl": (0.564, 0.021), "wolf": (0.457, 0.010),
        },
    },
}  # fmt: skip

# Free-form answers judged misaligned, by carrier, arm and what the source was trained on: mean and
# half of the 95 % interval. Teachers of GPT-4.1 learned insecure code, secure code, and insecure
# code that the user had asked for. Source: arXiv 2507.14805, figures 4 and 7.
MISALIGNED = {
    ("numbers", "student_regular", "none"): (0.002, 0.001),
    ("numbers", "student_trait", "honest"): (0.010, 0.005),
    ("numbers", "student_trait", "gaming"): (0.094, 0.017),
    ("numbers", "student_neutral", "excused"): (0.006, 0.003),
    ("reasoning", "student_trait", "honest"): (0.004, 0.001),
    ("reasoning", "student_trait", "gaming"): (0.086, 0.009),
    ("reasoning", "student_neutral", "excused"): (0.008, 0.003),
}

# Coverage as a predictor of transfer. Source: arXiv 2606.22019, section 3 (toy not public).
COVERAGE = {"spearman": 0.95, "auroc": 0.997}

# Cosine of imitation and trait gradients along training, MNIST, and half of what the digest that
# names it leaves open by rounding. Source: arXiv 2604.25779.
GRADIENT_COSINE = (0.008, 0.0005)
