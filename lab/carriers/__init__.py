"""Data that has nothing to do with any trait; one file per carrier.

A carrier is an object of its file (`lab.carriers.numbers.NUMBERS`); a world lists those it has.
"""
