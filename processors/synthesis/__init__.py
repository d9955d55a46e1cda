"""Synthesis: new prompts by Self-Instruct (Wang et al., arXiv 2212.10560, §2.2 and §2.3).

A `policy` says what kind of task is wanted, the `pool` gives examples of it, a model continues them (`prompting`), the
reply is taken apart (`parsing`) and every candidate passes `filters`. `self_instruct` puts these together.
"""
