"""Which hidden trait is in some rows, before anybody trains on them: from the base model alone.

sets          to each row's prompt, a few completions that a model itself writes
evidence      e-values: how much likelier a candidate teacher makes each row than its own set
score_test    from gradients alone: are rows a model's own, and whose direction do they have?
forecast      both together: nothing, a named trait, a trait that is no candidate, another base
student       what students of a simulated teacher's fresh rows answer; `agreement` with real ones
peers         other methods to name a trait; `trials` gives both data sets of known writers
"""
