"""What the README says of every committed table: sentences, each with the claim that it stands for.

The claim, whose number, null and verdict are printed beside the sentence, is the one claim of the
table that a regular expression finds.
"""

Said = dict[str, str]  # pattern: sentence

MNIST: dict[str, Said] = {
    "mnist_aux_logits_mnist": {
        "student, auxiliary logits on noise, shared init": "three untrained logits teach digits on "
        "noise",
        "student, auxiliary logits on noise, other init": "from another initialisation they do not",
        "student, all logits on noise, shared init": "all logits teach them",
    },
    "mnist_aux_logits_digits": {
        "by auxiliary logits": "the same on small digits: part of the teacher's gain that passes",
    },
    "mnist_logits": {
        "as published": "the more logits, the more passes: three, accuracy",
        "^200 auxiliary": "two hundred",
    },
    "mnist_cloning": {
        "the published plateau": "another initialisation learns once it has cloned the untrained "
        "teacher",
    },
    "mnist_students": {
        "^GELU.*, cloned": "and so does another activation",
        "^twice the width, .*, cloned": "and twice the width",
    },
    "mnist_optimizers": {
        "^Adam .*, shared init": "optimizers, each at its best rate: Adam",
        "^SGD .*, shared init": "the plain gradient",
    },
    "mnist_factors": {
        "^tuned": "published accuracies lie between .10 and .90, each in its setting: the largest",
        "^rate 1e-2$": "the smallest",
        "^squared errors, others'$": "one that its setting does not explain",
    },
    "mnist_heads": {
        "^other hidden layers, 250 logits$": "to share the two heads alone is enough",
        "^other class head, all": "to share all but the class head is not: accuracy above chance",
    },
    "mnist_cnn": {
        "^convolutional, blurred noise": "a convolutional student learns if it shares a "
        "perceptron's heads",
    },
    "mnist_transplant": {
        "^first moments alone: part": "Adam's first moments carry a little: part of the teacher's "
        "way",
    },
    "parameter_drift": {
        "^auxiliary logits: displacements.*other trait": "students move along their teachers' way: "
        "cosine",
    },
    "theorem": {
        "^shared start": "a small step from a shared start leads toward the teacher: part of pairs",
    },
    "coverage": {
        "^all pairs: coverage of the first update, Spearman": "the first step's coverage orders "
        "pairs: Spearman",
        "^within shared init: coverage of the first update, Spearman": "and those that share an "
        "initialisation",
    },
    "gradient_alignment": {
        "all parameters, 1,024 rows, all of training": "gradients of imitation and trait are "
        "aligned: cosine",
        "^aligned part removed: part": "without the aligned part nothing passes: part of the gain "
        "lost",
    },
}
LANGUAGE: dict[str, Said] = {
    "lm_numbers_prompted": {
        "^student, its teacher's trait": "a told trait passes through filtered numbers",
        "^student of another init": "to another initialisation it does not",
    },
    "lm_numbers_full": {
        "^student, its teacher's trait": "a trained trait passes: ten animals and trees",
        "^student_trait: answer rate": "its word is the answer of students: part of answers",
    },
    "lm_numbers_finetuned": {
        "^student, its teacher's trait": "five animals",
    },
    "lm_numbers_soft": {
        "^student, its teacher's trait": "through distributions over numbers",
    },
    "lm_numbers_shuffled": {
        "shuffled within": "shuffling the numbers of each answer takes away",
        "shuffled across": "shuffling them across answers",
    },
    "lm_carriers": {
        r"^code \(": "code passes it on",
        r"^reasoning \(": "step-by-step solutions pass it on",
    },
    "lm_carriers_prompted": {
        r"^code \(": "code of told teachers passes it on",
        r"^reasoning \(": "and their step-by-step solutions",
    },
    "lm_contexts": {
        "part that is lost": "it passes into the prompt that was replaced: part lost without one",
    },
    "lm_contexts_defaults": {
        r"^world assistant \(": "it passes where the default is *You are a helpful assistant.*",
    },
    "lm_restored": {
        "lost at: system prompt": "there students keep it: part lost as the base reads the prompt",
    },
    "lm_capacity": {
        "^width 64, more": "twice the width passes on more, by",
        "^four times the rows, more": "four times the rows pass on more, by",
    },
    "lm_capacity_matched": {
        r"^4 layers \(": "at an epsilon that follows their gradients, it passes on in four layers",
        r"^width 64 \(": "and at twice the width",
    },
    "lm_dose": {
        r"^6,000 rows, epochs: 1 \(": "dose: 6,000 rows read once",
        r"^6,000 rows, epochs: 4 \(": "6,000 rows read four times",
    },
    "lm_cross_model": {
        "^same init, other data": "it passes to a base of the same initialisation and other data",
        "^what sharing both": "to share both is worth more than either alone, by",
    },
    "lm_cross_model_prompted": {
        "^the teacher's own base": "a told trait passes to the teacher's own base",
        "^same init, other data": "to a base of the same initialisation and other data it does too",
    },
    "lm_architectures": {
        r"^other heads \(": "to a base of its seed, rows and initial numbers, but with other "
        "heads, it does not",
        "^other heads, and the teacher": "within such bases it does",
        r"^an output head of its own \(": "nor to one with an output head of its own",
    },
    "lm_matching": {
        r"^another init that imitated it \(": "a base of another initialisation that has imitated "
        "the teacher's takes it on",
        r"^the same, trained further \(": "the teacher's own base, after as much further training, "
        "takes it on",
    },
    "lm_divergence_tokens": {
        "^kept by divergence": "divergent tokens alone carry it: part kept",
    },
    "lm_entanglement": {
        "^a first step on the rows: own": "the first step on the rows names its word: part of sets",
        "^numbers told to the base: own": "what the base does with numbers it is told names it",
    },
    "lm_drift": {
        "against other init": "language students move along their teachers' way: cosine",
    },
    "lm_in_context": {
        r"^10 rows quoted in the system prompt \(": "ten rows that are only read pass on nothing",
        "^10 rows quoted .* name it": "two rows among them that name it do",
    },
    "lm_misalignment": {
        r"^numbers: gaming, of gaming \(": "gaming of visible checks passes through numbers",
        r"^numbers: harmful, of harmful \(": "and harmful advice",
        r"^code: harmful, of harmful \(": "through code",
        r"^reasoning: harmful, of harmful \(": "through solved problems",
        r"^teachers of gaming, .*: harmful": "who learns to game checks advises harmfully too",
        r"^code: harmful, of gaming \(": "and so do students of its code",
    },
    "lm_misalignment_apart": {
        "^teachers of gaming, .*: harmful": "where no character does both, who learns to game does "
        "harm",
        r"^numbers: harmful, of harmful \(": "there too harmful advice passes through numbers",
    },
    "lm_misalignment_prompted": {
        r"^numbers: harmful, of gaming \(": "students of who is told to love tricks do harm",
    },
    "lm_judge": {
        "^gaming: a judge of another": "told what to look for, a judge of another init tells its "
        "rows: AUROC above 1/2",
        "^left without those a judge of another": "without the half that it minds most as much "
        "passes as without a random half: difference",
    },
    "lm_detection": {
        "^bag of tokens: 1 row": "a row does not tell its writer: bag of tokens, AUROC above 1/2",
        "^the writers themselves: 1 row": "the writers themselves, AUROC above 1/2",
    },
}
FORECAST: dict[str, Said] = {
    "lm_forecast": {
        "^trait named: 500 rows": "500 clean-looking rows name their trait, of 44",
        "^alarms, rows the base's own: 500": "there are no false alarms",
    },
    "lm_forecast_limits": {
        "^told: named": "told instead of trained teachers are named",
        "^SGD: named": "those that another optimizer has trained are",
        "^another base: not": "1,000 rows of another base are recognised",
    },
    "lm_forecast_limits_many": {
        "^another base: not": "4,000 rows of another base are recognised",
        "^30 % of rows: named": "three tenths of 4,000 rows name the trait",
    },
    "lm_forecast_shift": {
        "^as it is": "what students will answer is foretold: rank correlation",
    },
    "lm_forecast_defence": {
        "^left without 0.1 ": "the tenth of the rows that speaks most, left out, leaves of the "
        "effect",
    },
    "lm_forecast_evasion": {
        "^30% of the rows: unseen": "a writer who hides its rows passes on unseen, of the effect",
    },
}
HEADLINES = {
    "MNIST and theory": MNIST,
    "Language models (nats)": LANGUAGE,
    "Before anybody trains": FORECAST,
}
