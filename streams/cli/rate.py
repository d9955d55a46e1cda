"""`rate`."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import orjson

from schemas import EncodeError, Sample
from streams.cli.common import command, json_option
from streams.cli.options import Command, Options
from streams.cli.output import errors, say, say_aside, show_json
from streams.cli.rating_view import KEYS, show_sample
from streams.delivery.producer import Refused, Sender, open_sender
from streams.errors import StreamsError
from streams.kafka import KafkaClient
from streams.processes.on_demand import broker_or_journal
from streams.sources import rating as rating_module
from streams.sources.rating import OPPOSITE, OUTCOMES, Outcome, Rating, Wanted

RATINGS: dict[str, Rating] = {"k": "keep", "d": "drop"}


class BadRatings(StreamsError):
    """The file of ratings cannot be read; nothing was sent."""


@dataclass(slots=True)
class Tally:
    """The result: ratings that stand, samples skipped, and ids that could not be rated, because no decided sample has
    them or theirs has no vector to learn from.
    """

    keep: int = 0
    drop: int = 0
    skipped: int = 0
    unknown: list[str] = field(default_factory=list)

    def add(self, rating: Rating, count: int = 1) -> None:
        """Count a rating, or take it back."""
        setattr(self, rating, getattr(self, rating) + count)


@click.command(cls=Command)
@click.option("--count", type=click.IntRange(1), default=20, show_default=True, help="How many samples to show.")
@click.option("--only", type=click.Choice(OUTCOMES), help="Show only curated or only rejected samples.")
@click.option("--language", default="", help="Show only samples in this language (en, zh, ...).")
@click.option(
    "--from", "file", type=click.Path(path_type=Path, dir_okay=False), help="Import ratings: JSON Lines, id and rating."
)
@json_option
@click.pass_obj
@command
async def rate(
    options: Options, count: int, only: Outcome | None, language: str, file: Path | None, as_json: bool
) -> None:
    """Say which samples you would keep, so that the keep rule learns it.

    Shows samples one by one and waits for a key: k keep, d drop, s skip, u turn the last rating round, f show the whole
    text, q quit. Half of the samples are curated, half were rejected by the rule; half of each are near the threshold.
    Keys may also come from a pipe.

    A rating is saved when the command says so, and changes no decision that was made. After some fifty ratings, of
    which at least ten are keep and ten drop, the rule takes into account what it has learnt, if that predicts your
    ratings: `siftstream diversity report` shows it. Of two ratings of one sample the later counts.

    \b
    siftstream rate --count 50 --language en
    siftstream rate --from ratings.jsonl      {"id": "3f9c...", "rating": "keep"}
    """
    given = _read(file) if file else {}
    settings = options.settings()
    found = broker_or_journal(settings, options.arguments(), say_aside, named=options.dir is not None)
    async with found as (connection, up), KafkaClient(connection) as client, open_sender(connection) as sender:
        if not up:
            say_aside("nothing runs here: ratings wait in the journal, and the next `siftstream up` learns from them")
        session = _Session(sender, settings.prefix, aloud=file is None)
        if file:
            await session.send_all(await rating_module.find(client, settings.prefix, given.keys()), given)
        else:
            outcomes = OUTCOMES if only is None else (only,)
            with errors.status("looking for samples"):
                wanted = Wanted(count=count, outcomes=outcomes, language=language)
                samples = await rating_module.choose(client, settings.prefix, wanted)
            await session.ask(samples)
    _tell(session.tally, as_json)


def _tell(tally: Tally, as_json: bool) -> None:
    if as_json:
        show_json(asdict(tally))
    else:
        say(f"{tally.keep + tally.drop} ratings saved: {tally.keep} keep, {tally.drop} drop; {tally.skipped} skipped")
    if tally.unknown:
        first = ", ".join(tally.unknown[:3])
        errors.print(f"{len(tally.unknown)} ids name no decided sample that can be rated: {first}", style="red")
        sys.exit(1)


class _Session:
    """Asks about samples and sends each rating on its own: an interruption loses nothing that was saved."""

    def __init__(self, sender: Sender, prefix: str, aloud: bool) -> None:
        """`aloud` says that each rating is saved."""
        self._sender = sender
        self._prefix = prefix
        self._aloud = aloud
        self._last: tuple[Sample, Rating] | None = None
        self.tally = Tally()

    async def send_all(self, samples: dict[str, Sample], given: dict[str, Rating]) -> None:
        """Send the ratings of a file."""
        for sample_id, rating in given.items():
            sample = samples.get(sample_id)
            if sample is None or not rating_module.can_teach(sample) or not await self._save(sample, rating):
                self.tally.unknown.append(sample_id)

    async def ask(self, samples: Sequence[Sample]) -> None:
        """Show the samples in turn, and do as the keys say."""
        if not samples:
            errors.print("nothing to rate: the rule has decided about no such sample, or all of them have ratings")
            return
        errors.print(KEYS, style="dim", markup=False)
        for number, sample in enumerate(samples, 1):
            show_sample(sample, f"{number}/{len(samples)}")
            if not await self._answered(sample):
                return

    async def _answered(self, sample: Sample) -> bool:
        """Do as the keys say until one of them is an answer; return False if it is to quit."""
        while (key := await asyncio.to_thread(_key)) != "q":
            if key in RATINGS:
                if await self._save(sample, RATINGS[key]):
                    self._last = (sample, RATINGS[key])
                return True
            if key == "s":
                self.tally.skipped += 1
                return True
            if key == "f":
                show_sample(sample, "", whole=True)
            elif key == "u":
                await self._turn_round()
            else:
                errors.print(KEYS, style="dim", markup=False)
        return False

    async def _turn_round(self) -> None:
        if self._last is None:
            errors.print("there is no rating to undo yet")
            return
        sample, rating = self._last
        if await self._save(sample, OPPOSITE[rating]):
            self.tally.add(rating, -1)
            self._last = (sample, OPPOSITE[rating])

    async def _save(self, sample: Sample, rating: Rating) -> bool:
        try:
            await rating_module.send(self._sender, self._prefix, sample, rating)
        except (EncodeError, Refused) as error:
            errors.print(f"not saved: {error}", style="red", markup=False, soft_wrap=True)
            return False
        self.tally.add(rating)
        if self._aloud:
            errors.print(f"saved: {rating} {sample.sample_id}", style="green", markup=False, soft_wrap=True)
        return True


def _key() -> str:
    """Wait for one key, in lower case; "q" at the end of the input and for Ctrl-C.

    In a thread: on a terminal in raw mode Ctrl-C is a key and no signal, so no thread is left behind that waits.
    """
    try:
        if sys.stdin.isatty():
            return click.getchar().lower()[:1]
        while (char := sys.stdin.read(1)).isspace():
            pass
        return char.lower() or "q"
    except (EOFError, KeyboardInterrupt):
        return "q"


def _read(file: Path) -> dict[str, Rating]:
    """Return the ratings of a file by id, the last of each. Raises BadRatings."""
    found: dict[str, Rating] = {}
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise BadRatings(f"cannot read {file}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
            sample_id, rating = row["id"], row["rating"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            rating = sample_id = None
        if not isinstance(sample_id, str) or rating not in ("keep", "drop"):
            raise BadRatings(f'{file}:{number}: needs {{"id": "...", "rating": "keep" or "drop"}}; nothing was sent')
        found[sample_id] = rating
    return found
