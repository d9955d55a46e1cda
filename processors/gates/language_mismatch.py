"""The gate for answers in another language than their prompt."""

from processors.gates.base import Gate, recorded
from processors.text.language_mismatch import language_differs

GATE = Gate(
    name="language_mismatch",
    meaning="the answer is in another language than the prompt",
    source="processors/text/language_mismatch.py, with py3langid within the Latin script",
    measure=lambda sample, answer: float(language_differs(sample, answer)),
    suspicion=recorded("language_mismatch"),
)
"""Its number is 1 if the language differs, else 0; it is 0 for translations, code and prompts that name a language."""
