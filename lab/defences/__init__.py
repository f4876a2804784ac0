"""What may keep a trait from passing; one file each.

A defence is a step of a dataset, (rows, random generator) -> rows; or a loss of students, as in
`lab.lm.objectives`; or a base. Steps and losses are frozen dataclasses or functions of a module, so
that what they make is named by them.
"""
