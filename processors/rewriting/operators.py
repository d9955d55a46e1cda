"""The rewrite operators: each a prompt that makes one new task from a collected one (rules/operators.toml)."""

import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, with_config

from processors.rewriting.tables import FOLDER, read_table, refuse
from processors.skills import Filled, Language
from processors.text.language_codes import LANGUAGES, language_name
from schemas import Prompt
from schemas.types import CLOSED, Text

SHIPPED = FOLDER / "operators.toml"
TARGET = "target"
"""The parameter that holds the language to translate into."""

_FIELDS = frozenset({"instruction", "input", "document", "language"})


def _fields(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


def _one_at_least(choices: tuple[str, ...]) -> tuple[str, ...]:
    if choices:
        return choices
    raise ValueError("is empty")


def _readable(template: str) -> str:
    _fields(template)  # raises ValueError for a lone brace
    return template


Choices = Annotated[tuple[Filled, ...], AfterValidator(_one_at_least)]
"""The possible values of a parameter; one of them is drawn for each sample."""


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One way to make a new task from a given one.

    `template` is the prompt to the model. Its fields are `{instruction}`, `{input}`, `{document}` (the input, or the
    instruction if there is none), `{language}` (the name of the language to write in) and the operator's own
    `parameters`. Each parameter has its choices; a rule may name others. `languages` are those of the samples that the
    operator can rewrite, empty for all. The reply is always one new text, which `makes`

    - `instruction`: a new instruction beside the old input;
    - `prompt`: a whole new prompt, in place of instruction and input;
    - `question`: an instruction about the document, which becomes the input;
    - `translation`: a whole new prompt in the language that the parameter `target` names by its ISO 639-1 code.
    """

    name: Filled
    title: Filled
    description: Filled
    makes: Literal["instruction", "prompt", "question", "translation"]
    template: Annotated[Filled, AfterValidator(_readable)]
    languages: tuple[Language, ...] = ()
    parameters: dict[Text, Choices] = field(default_factory=dict)

    def takes(self, prompt: Prompt, language: str) -> bool:
        """Return whether the operator can rewrite this prompt; a turn inside a conversation cannot be rewritten
        alone.
        """
        return not prompt.history and (not self.languages or language in self.languages)

    def ask(self, prompt: Prompt, language: str, chosen: dict[str, str]) -> str:
        """Return the text to send to the model; `language` is the code of the language wanted in the reply."""
        spoken = {TARGET: language_name(chosen[TARGET])} if TARGET in chosen else {}
        return self.template.format(
            instruction=prompt.instruction,
            input=prompt.input,
            document=prompt.input or prompt.instruction,
            language=language_name(language) if language else "the language of the original",
            **(chosen | spoken),
        ).strip()

    def shown(self, prompt: Prompt) -> str:
        """Return the part of the prompt that is rewritten, from which the reply must differ."""
        return prompt.instruction if self.makes == "instruction" else prompt.text()

    def rewritten(self, prompt: Prompt, reply: str) -> Prompt:
        """Build the new prompt from the reply."""
        kept = {"instruction": prompt.input, "question": prompt.input or prompt.instruction}
        return Prompt(instruction=reply, input=kept.get(self.makes, ""), system=prompt.system)


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    operators: tuple[Operator, ...]


def load_operators(file: Path = SHIPPED) -> dict[str, Operator]:
    """Load the operators of a file, by name. Raises RulesError, which names every fault."""
    operators = read_table(file, _File).operators
    refuse(file, [fault for number, one in enumerate(operators, 1) for fault in _faults(one, number)])
    by_name = {one.name: one for one in operators}
    refuse(file, [f"operators: {name} is defined twice" for name in by_name if _count(operators, name) > 1])
    return by_name


def parameter_faults(operator: Operator, parameters: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the faults of the parameters that a rule gives an operator, one sentence each."""
    unknown = [f"{operator.name} has no parameter {name}" for name in parameters if name not in operator.parameters]
    targets = parameters.get(TARGET, ()) if operator.makes == "translation" else ()
    return unknown + [f"{TARGET}: {code} is not an ISO 639-1 code" for code in targets if code not in LANGUAGES]


def _count(operators: tuple[Operator, ...], name: str) -> int:
    return sum(one.name == name for one in operators)


def _faults(operator: Operator, number: int) -> list[str]:
    place, used = f"operators {number}", _fields(operator.template)
    known = _FIELDS | operator.parameters.keys()
    faults = [f"{place}.template: unknown field {{{name}}}" for name in sorted(used - known)]
    faults += [f"{place}.parameters.{name}: is not in the template" for name in operator.parameters.keys() - used]
    faults += [f"{place}.parameters.{name}: is a field already" for name in operator.parameters.keys() & _FIELDS]
    if not used & {"instruction", "document"}:
        faults.append(f"{place}.template: needs {{instruction}} or {{document}}")
    if operator.makes == "translation" and TARGET not in operator.parameters:
        faults.append(f"{place}.parameters: a translation needs {TARGET}")
    return faults + [f"{place}.parameters.{fault}" for fault in parameter_faults(operator, operator.parameters)]
