"""Synthesis: new prompts by Self-Instruct (Wang et al., arXiv 2212.10560, §2.2 and §2.3).

A `policy` chooses the kind of task, the `pool` gives examples of it, a model continues them (`prompting`), the reply is
split into candidates (`parsing`), and every candidate passes `filters`. `self_instruct` combines these.
"""
