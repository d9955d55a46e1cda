"""Collection and rewriting: collected records are sorted into task types by rules, and new tasks are made of them.

`rules` (rules/collection.toml) say what becomes of which records, `operators` (rules/operators.toml) how a model is
asked for a new task; `tables` reads both. `matching` finds the rule of a record and `plan` draws up what is to be done
with it. `rewriting` does it: it asks, has the reply cleaned (`replies`) and judged (`checks`), and keeps the origin in
the lineage.
"""
