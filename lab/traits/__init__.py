"""What a teacher is given and how a student is questioned; one file per kind of trait.

A category of words is an object of its file (`lab.traits.animals.ANIMALS`); a world lists its own.
"""
