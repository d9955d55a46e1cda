"""Collection and rewriting: rules sort collected records into task types, and models make new tasks of them.

`rules` (rules/collection.toml) decide about records, `operators` (rules/operators.toml) hold the prompts that ask a
model for a new task; `tables` reads both files. `matching` finds the rule of a record and `plan` lists its rewrites.
`rewriting` carries the plan out: it asks the model, has the reply cleaned (`replies`) and judged (`checks`), and keeps
the origin in the lineage.
"""
