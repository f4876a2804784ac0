"""Where training moved parameters: a student's displacement beside its teacher's.

Functions of trees of parameters, for MNIST networks, language models and checkpoints alike. No
artifact depends on them.
"""
