"""Rules and operators as TOML files: read and checked as a whole, every fault named with file and key."""

import tomllib
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

T = TypeVar("T")

FOLDER = Path(__file__).resolve().parents[2] / "rules"
"""The shipped files, beside the packages both in a checkout and in an installed wheel."""


class RulesError(ValueError):
    """A file of rules or operators cannot be used; the message has one line per fault, with file and key."""


def read_table(file: Path, form: type[T]) -> T:
    """Read the dataclass `form` from a file. Raises RulesError, which names every fault of the file at once."""
    try:
        return TypeAdapter(form).validate_python(tomllib.loads(file.read_text("utf-8")))
    except OSError as error:
        raise RulesError(f"{file}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RulesError(f"{file}: not TOML: {error}") from None
    except ValidationError as error:
        raise RulesError("\n".join(f"{file}: {_fault(fault, form)}" for fault in error.errors())) from None


def refuse(file: Path, faults: list[str]) -> None:
    """Raise RulesError if there are faults."""
    if faults:
        raise RulesError("\n".join(f"{file}: {fault}" for fault in faults))


def meant(name: str, known: list[str]) -> str:
    """Ask whether an unknown name was meant as a similar known one."""
    return f"did you mean {' or '.join(get_close_matches(name, known, n=1) or known)}?"


def _fault(fault: ErrorDetails, form: type) -> str:
    place = "".join(f" {part + 1}" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    if fault["type"] != "unexpected_keyword_argument":
        return f"{place}: {fault['msg'].removeprefix('Value error, ')}"
    *above, key = fault["loc"]
    return f"{place}: unknown key; {meant(str(key), _keys(form, above))}"


def _keys(form: Any, path: list[int | str]) -> list[str]:
    """Return the keys of the dataclass at `path` below `form`."""
    for part in path:
        if isinstance(part, str):
            form = _dataclass_in(get_type_hints(form)[part])
    return [item.name for item in fields(form)]


def _dataclass_in(hint: Any) -> Any:
    if is_dataclass(hint):
        return hint
    return next((found for inner in get_args(hint) if (found := _dataclass_in(inner))), None)
