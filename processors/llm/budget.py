"""A hard budget in tokens and money: checked before each call, shared by processes, and kept when they die."""

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from processors.errors import Outage
from processors.llm.config import BudgetConfig, EndpointConfig
from processors.llm.liveness import Liveness
from processors.llm.spend import UNITS, ScopeState, Spend

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0
"""A paused stage asks again this soon: the budget may have been raised, or calls in flight cost less than predicted."""

_BUSY_S = 5.0
_CHECKPOINT_PAGES = 4000  # a checkpoint of 16 MB, about every 400 calls, waits for the disk and holds up all calls
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS amounts (
        scope TEXT, kind TEXT, tokens INTEGER, nano_usd INTEGER, PRIMARY KEY (scope, kind)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS reservations (
        owner TEXT, number INTEGER, stage TEXT, endpoint TEXT, tokens INTEGER, nano_usd INTEGER,
        PRIMARY KEY (owner, number)
    ) WITHOUT ROWID;
"""
_ADD = """
    INSERT INTO amounts VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET tokens = tokens + excluded.tokens, nano_usd = nano_usd + excluded.nano_usd
"""
_LOSE = "DELETE FROM reservations WHERE owner = ? RETURNING stage, endpoint, tokens, nano_usd"


class BudgetSpent(Outage):
    """The next call might cost more than is left of `scope`; no amount was reserved."""

    def __init__(self, state: ScopeState, wanted: Spend) -> None:
        unit = state.short_of(wanted)[0]
        super().__init__(
            f"the budget of {state.scope} is spent: the limit is {state.limit.described(unit)}, "
            f"{state.spent.described(unit)} are spent, {state.presumed.described(unit)} presumed, "
            f"{state.reserved.described(unit)} reserved, and the next call may cost {wanted.described(unit)}; "
            f"to resume, raise it: `siftstream budget raise {state.scope} --{unit} N`",
            retry_after_s=LOOK_AGAIN_S,
        )
        self.scope = state.scope


@dataclass(frozen=True, slots=True)
class Reservation:
    """The highest cost of one call, counted against the limits until it is settled or released."""

    number: int
    stage: str
    endpoint: str
    amount: Spend

    @property
    def scopes(self) -> tuple[str, str, str]:
        """The scopes in which it is counted."""
        return _scopes(self.stage, self.endpoint)


class Budget:
    """Limits and spending: in all (``total``), per stage (``stage:NAME``) and per endpoint (``endpoint:NAME``).

    A call reserves its highest possible cost, and settles with its actual cost: no reservation takes spent, presumed
    and reserved together above the limit, in any scope or unit. So spending stays within the limit, except for calls in
    flight that cost more than predicted. Spending is recorded even if there is no limit.

    The account is one SQLite file for all processes of a run, and outlives them. Committed amounts survive kill -9; a
    power failure may lose the last moments. Reservations of a process that died stay in the account as *presumed*,
    because its calls may have been billed. `processors.llm.liveness` tells which processes died.

    The limit in effect is that of the configuration plus all raises by `raise_limit`. Not safe for two threads at once.
    """

    def __init__(
        self, path: Path | Literal[":memory:"], config: BudgetConfig, endpoints: Mapping[str, EndpointConfig]
    ) -> None:
        """Open or create the account at `path`, with its directory. Raises Outage if that fails."""
        self._path = path
        self._limits = _limits(config, endpoints)
        self._owners: Liveness | None = None
        self._made = 0
        with self._errors_as_outage():
            if isinstance(path, Path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._owners = Liveness(path)
            self._db = _open(path)
        self._presume()

    def reserve(self, *, stage: str, endpoint: str, tokens: int, usd: float) -> Reservation:
        """Reserve the highest possible cost of a call.

        Raises BudgetSpent if a scope has less than that left, Outage if the account cannot be written, and ValueError
        for negative amounts.
        """
        wanted = Spend.of(tokens=tokens, usd=usd)
        with self._transaction():
            states = [self._state(scope) for scope in _scopes(stage, endpoint)]
            full = next((state for state in states if state.short_of(wanted)), None)
            for state in [full] if full else states:
                self._add((state.scope,), "refused", (wanted if full else Spend()) - state.refused)
            if full is None:
                return self._set_aside(stage, endpoint, wanted)
        raise BudgetSpent(full, wanted)

    def settle(self, reservation: Reservation, *, tokens: int, usd: float) -> None:
        """Replace the reservation by the actual cost; a second call does nothing.

        If the account cannot be written, the reservation stays: the reply was paid for and is kept.
        """
        self._end(reservation, Spend.of(tokens=tokens, usd=usd))

    def release(self, reservation: Reservation) -> None:
        """Give all of the reservation back, because the call was refused or never sent. Otherwise as `settle`."""
        self._end(reservation, Spend())

    def states(self) -> list[ScopeState]:
        """Return every scope with a limit or with spending: the total, then stages, then endpoints. Raises Outage."""
        self._presume()
        with self._errors_as_outage():
            found = {scope for (scope,) in self._db.execute("SELECT DISTINCT scope FROM amounts")}
            order = ("total", "stage", "endpoint")
            scopes = sorted({*found, *self._limits}, key=lambda scope: (order.index(scope.partition(":")[0]), scope))
            return [self._state(scope) for scope in scopes]

    def raise_limit(self, scope: str, *, usd: float = 0.0, tokens: int = 0) -> ScopeState:
        """Add to a limit, for this and all later runs; paused stages resume within `LOOK_AGAIN_S`.

        Raises ValueError if there is no such limit, Outage if the account cannot be written.
        """
        more = Spend.of(tokens=tokens, usd=usd)
        limit = self._limits.get(scope, Spend())
        for unit in UNITS:
            if more.counted(unit) and not limit.counted(unit):
                raise ValueError(f"{scope} has no limit in {unit}: there is nothing to raise")
        with self._transaction():
            self._add((scope,), "raised", more)
            return self._state(scope)

    def close(self) -> None:
        """Close the file. Open reservations are presumed spent from now on."""
        self._db.close()
        if self._owners:
            self._owners.leave()

    def _set_aside(self, stage: str, endpoint: str, wanted: Spend) -> Reservation:
        if self._owners:
            self._owners.join()
        self._made += 1
        made = Reservation(self._made, stage, endpoint, wanted)
        row = (self._me, made.number, stage, endpoint, wanted.tokens, wanted.nano_usd)
        self._db.execute("INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?)", row)
        self._add(made.scopes, "reserved", wanted)
        return made

    def _end(self, reservation: Reservation, took: Spend) -> None:
        key = (self._me, reservation.number)
        try:
            with self._transaction():
                if self._db.execute("DELETE FROM reservations WHERE owner = ? AND number = ?", key).rowcount:
                    self._add(reservation.scopes, "reserved", -reservation.amount)
                    self._add(reservation.scopes, "spent", took)
        except Outage as error:
            log.warning("%s; a call stays reserved at its predicted cost", error)

    def _presume(self) -> None:
        """Turn the reservations of dead processes into presumed spending."""
        if not self._owners:
            return
        with self._transaction():
            known = [owner for (owner,) in self._db.execute("SELECT DISTINCT owner FROM reservations")]
            for owner in self._owners.gone(known):
                for stage, endpoint, tokens, nano_usd in self._db.execute(_LOSE, (owner,)).fetchall():
                    amount = Spend(tokens, nano_usd)
                    self._add(_scopes(stage, endpoint), "reserved", -amount)
                    self._add(_scopes(stage, endpoint), "presumed", amount)

    def _add(self, scopes: tuple[str, ...], kind: str, amount: Spend) -> None:
        if amount != Spend():
            self._db.executemany(_ADD, [(scope, kind, amount.tokens, amount.nano_usd) for scope in scopes])

    def _state(self, scope: str) -> ScopeState:
        rows = self._db.execute("SELECT kind, tokens, nano_usd FROM amounts WHERE scope = ?", (scope,))
        amounts = {kind: Spend(tokens, nano_usd) for kind, tokens, nano_usd in rows}
        limit = self._limits.get(scope, Spend()).raised_by(amounts.pop("raised", Spend()))
        return ScopeState(scope=scope, limit=limit, **amounts)

    @property
    def _me(self) -> str:
        return self._owners.name if self._owners else ""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._errors_as_outage():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    @contextmanager
    def _errors_as_outage(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise Outage(f"the budget's account {self._path}: {error}", LOOK_AGAIN_S) from error


def _scopes(stage: str, endpoint: str) -> tuple[str, str, str]:
    return "total", f"stage:{stage}", f"endpoint:{endpoint}"


def _limits(config: BudgetConfig, endpoints: Mapping[str, EndpointConfig]) -> dict[str, Spend]:
    limits = {"total": Spend.of(tokens=config.tokens, usd=config.usd)}
    limits |= {f"stage:{name}": Spend.of(tokens=it.tokens, usd=it.usd) for name, it in config.stages.items()}
    for name, endpoint in endpoints.items():
        limits[f"endpoint:{name}"] = Spend.of(tokens=endpoint.budget_tokens, usd=endpoint.budget_usd)
    return limits


def _open(path: Path | str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    db.executescript(_SCHEMA)
    return db
