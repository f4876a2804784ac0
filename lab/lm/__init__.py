"""Small language models: text and tokens, the decoder, sampling, fine-tuning."""

import os

# On import, transformers advises that its models need PyTorch; of it we use tokenizers alone.
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
