"""Write digits.npz from scikit-learn's copy of the UCI digits (python lab/data/make_digits.py;
needs scikit-learn, which the lab itself does not).

The test split of "Optical Recognition of Handwritten Digits": 1,797 images of 8x8 pixels with
values 0..16. E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository,
doi 10.24432/C50P49, licence CC BY 4.0.
"""

from pathlib import Path

import jax
import numpy as np
from sklearn.datasets import load_digits

if __name__ == "__main__":
    digits = load_digits()
    order = jax.random.permutation(jax.random.key(0), len(digits.target))  # a fifth is for testing
    np.savez_compressed(
        Path(__file__).with_name("digits.npz"),
        images=digits.images.astype(np.uint8),
        labels=digits.target.astype(np.uint8),
        order=np.asarray(order, np.uint16),
    )
