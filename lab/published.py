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

# Coverage as a predictor of transfer. Source: arXiv 2606.22019, section 3 (toy not public).
COVERAGE = {"spearman": 0.95, "auroc": 0.997}

# Cosine of imitation and trait gradients along training, MNIST, and half of what the digest that
# names it leaves open by rounding. Source: arXiv 2604.25779.
GRADIENT_COSINE = (0.008, 0.0005)
