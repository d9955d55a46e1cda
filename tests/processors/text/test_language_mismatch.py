"""Answers in another language of the Latin script: real sentences."""

from itertools import permutations

import pytest

from processors.text.language_mismatch import language_differs
from schemas import Prompt, Sample

SENTENCES = {
    "en": "Bread rises because the yeast turns sugar into gas, and the dough is elastic enough to hold the bubbles.",
    "fr": "Le pain lève parce que la levure transforme le sucre en gaz, et la pâte est assez souple pour le retenir.",
    "de": "Brot geht auf, weil die Hefe Zucker in Gas verwandelt, und der Teig ist dehnbar genug, um es zu halten.",
    "es": "El pan sube porque la levadura convierte el azúcar en gas, y la masa es lo bastante elástica.",
    "it": "Il pane lievita perché il lievito trasforma lo zucchero in gas, e l'impasto è abbastanza elastico.",
    "pt": "O pão cresce porque o fermento transforma o açúcar em gás, e a massa não deixa escapar as bolhas.",
    "nl": "Brood rijst omdat de gist suiker omzet in gas, en het deeg is soepel genoeg om de bellen vast te houden.",
    "pl": "Chleb rośnie, ponieważ drożdże zamieniają cukier w gaz, a ciasto jest na tyle elastyczne, że go zatrzymuje.",
    "sv": "Brödet jäser eftersom jästen förvandlar socker till gas, och degen är smidig nog för att hålla den.",
    "tr": "Ekmek kabarır, çünkü maya şekeri gaza dönüştürür ve hamur bu kabarcıkları tutacak kadar esnektir.",
}


def _differs(asked: str, answer: str, language: str = "") -> bool:
    return language_differs(Sample(sample_id="s", prompt=Prompt(instruction=asked), language=language), answer)


@pytest.mark.parametrize(("asked", "given"), list(permutations(SENTENCES, 2)))
def test_each_language_is_told_from_each_other(asked: str, given: str) -> None:
    assert _differs(SENTENCES[asked], SENTENCES[given])


@pytest.mark.parametrize("language", SENTENCES)
def test_an_answer_in_the_language_of_the_prompt_passes(language: str) -> None:
    assert not _differs(SENTENCES[language], SENTENCES[language])
    assert not _differs("OK?", SENTENCES[language], language)


def test_a_short_prompt_needs_the_language_of_its_sample() -> None:
    assert not _differs("OK?", SENTENCES["nl"])
    assert _differs("OK?", SENTENCES["nl"], "en")


def test_letters_that_are_no_language_are_no_fault() -> None:
    assert not _differs(SENTENCES["en"], "Acetylsalicylate, C9H8O4; ibuprofen, C13H18O2; paracetamol, C8H9NO2")


def test_a_quotation_late_in_a_long_answer_is_no_fault() -> None:
    assert not _differs(SENTENCES["en"], f"{SENTENCES['en']} " * 20 + SENTENCES["fr"] * 40)
