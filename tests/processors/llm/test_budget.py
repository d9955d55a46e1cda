import logging
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from processors.errors import Outage
from processors.llm import budget as budget_module
from processors.llm.budget import Budget, BudgetSpent, Reservation
from processors.llm.config import Allowance, BudgetConfig, EndpointConfig
from processors.llm.spend import ScopeState, Spend
from tests.paths import REPOSITORY
from tests.processors.llm.spender import PREDICTED

URL = "http://localhost:1/v1"
LIMITED = BudgetConfig(tokens=1000, usd=1.0, stages={"answering": Allowance(tokens=500)})
ENDPOINTS = {"strong": EndpointConfig(url=URL, budget_usd=0.25), "local": EndpointConfig(url=URL)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "llm" / "budget.sqlite"


@pytest.fixture
def budget(path: Path) -> Iterator[Budget]:
    budget = Budget(path, LIMITED, ENDPOINTS)
    yield budget
    budget.close()


def reserve(budget: Budget, tokens: int, usd: float = 0.0, stage: str = "answering", at: str = "local") -> Reservation:
    return budget.reserve(stage=stage, endpoint=at, tokens=tokens, usd=usd)


def state(budget: Budget, scope: str = "total") -> ScopeState:
    return {state.scope: state for state in budget.states()}[scope]


def test_a_call_counts_in_the_total_in_its_stage_and_in_its_endpoint(budget: Budget) -> None:
    budget.settle(reserve(budget, 100, 0.1, at="strong"), tokens=70, usd=0.07)
    reserve(budget, 30, 0.02, stage="synthesis", at="strong")
    assert [(it.scope, it.spent.tokens, it.reserved.tokens, it.limit.tokens) for it in budget.states()] == [
        ("total", 70, 30, 1000),
        ("stage:answering", 70, 0, 500),
        ("stage:synthesis", 0, 30, 0),
        ("endpoint:local", 0, 0, 0),
        ("endpoint:strong", 70, 30, 0),
    ]
    assert state(budget, "endpoint:strong").left == Spend(-100, 250_000_000 - 90_000_000)


def test_what_is_in_flight_counts_before_it_is_spent(budget: Budget) -> None:
    held = [reserve(budget, 250), reserve(budget, 250)]
    with pytest.raises(BudgetSpent) as refused:
        reserve(budget, 1)
    assert refused.value.scope == "stage:answering"
    assert refused.value.retry_after_s > 0
    budget.settle(held[0], tokens=249, usd=0)
    budget.release(held[1])
    reserve(budget, 251)
    assert state(budget, "stage:answering").left.tokens == 0


def test_the_message_tells_the_scope_the_figures_and_the_remedy(budget: Budget) -> None:
    budget.settle(reserve(budget, 480), tokens=480, usd=0)
    with pytest.raises(BudgetSpent) as tokens:
        reserve(budget, 21)
    assert str(tokens.value) == (
        "the budget of stage:answering is spent: the limit is 500 tokens, 480 tokens are spent, 0 tokens presumed, "
        "0 tokens reserved, and the next call may cost 21 tokens; to resume, raise it: "
        "`siftstream budget raise stage:answering --tokens N`"
    )
    with pytest.raises(BudgetSpent, match=r"endpoint:strong is spent: the limit is 0\.25 usd.*--usd N"):
        reserve(budget, 1, 0.251, at="strong")


def test_a_refused_call_reserves_nothing_anywhere(budget: Budget) -> None:
    with pytest.raises(BudgetSpent):
        reserve(budget, 1, 0.3, at="strong")
    assert all(it.taken == Spend() for it in budget.states())


def test_a_scope_is_exhausted_while_calls_are_refused(budget: Budget) -> None:
    held = reserve(budget, 450)
    assert state(budget, "stage:answering").exhausted == []
    with pytest.raises(BudgetSpent):
        reserve(budget, 60)
    assert state(budget, "stage:answering").exhausted == ["tokens"]
    assert state(budget).exhausted == []
    budget.settle(held, tokens=100, usd=0)
    assert state(budget, "stage:answering").exhausted == []
    with pytest.raises(BudgetSpent):
        reserve(budget, 401)
    reserve(budget, 399)
    assert state(budget, "stage:answering").exhausted == []
    reserve(budget, 1)
    assert state(budget, "stage:answering").exhausted == ["tokens"]


def test_without_limits_everything_is_accounted_for() -> None:
    budget = Budget(":memory:", BudgetConfig(), {})
    budget.settle(reserve(budget, 10**9, 1e6), tokens=10**9, usd=1e6)
    reserve(budget, 10**9, 1e6)
    assert [it.scope for it in budget.states()] == ["total", "stage:answering", "endpoint:local"]
    assert state(budget).spent == Spend.of(tokens=10**9, usd=1e6)
    assert state(budget).exhausted == []


def test_what_costs_nothing_goes_on_when_the_money_is_spent(budget: Budget) -> None:
    budget.settle(reserve(budget, 1, 0.25, at="strong"), tokens=1, usd=0.4)
    with pytest.raises(BudgetSpent):
        reserve(budget, 1, 1e-9, at="strong")
    reserve(budget, 1, 0.0, at="strong")


def test_money_adds_up_exactly() -> None:
    budget = Budget(":memory:", BudgetConfig(usd=1.0), {})
    for _ in range(10):
        budget.settle(reserve(budget, 1, 0.1), tokens=1, usd=0.1)
    assert state(budget).spent.usd == 1.0
    assert state(budget).left == Spend(-10, 0)


def test_a_call_ends_once(budget: Budget) -> None:
    held = reserve(budget, 100)
    budget.settle(held, tokens=60, usd=0)
    budget.settle(held, tokens=60, usd=0)
    budget.release(held)
    reserve(budget, 5)
    budget.settle(held, tokens=60, usd=0)
    assert (state(budget).spent.tokens, state(budget).reserved.tokens) == (60, 5)


def test_a_raise_is_added_to_the_configured_limit_for_good(path: Path, budget: Budget) -> None:
    reserve(budget, 500)
    elsewhere = Budget(path, LIMITED, ENDPOINTS)
    raised = elsewhere.raise_limit("stage:answering", tokens=50)
    assert raised.limit.tokens == 550
    reserve(budget, 50)
    elsewhere.close()
    later = Budget(path, BudgetConfig(tokens=2000, stages={"answering": Allowance(tokens=700)}), ENDPOINTS)
    assert state(later, "stage:answering").limit.tokens == 750
    assert state(later).limit == Spend(2000, 0)
    later.close()
    unlimited = Budget(path, BudgetConfig(), ENDPOINTS)
    assert state(unlimited, "stage:answering").limit == Spend()
    unlimited.close()


@pytest.mark.parametrize(
    ("scope", "usd", "tokens"), [("stage:answering", 1.0, 0), ("stage:rewriting", 0, 1), ("endpoint:local", 0, 1)]
)
def test_no_limit_cannot_be_raised(budget: Budget, scope: str, usd: float, tokens: int) -> None:
    with pytest.raises(ValueError, match="has no limit in"):
        budget.raise_limit(scope, usd=usd, tokens=tokens)


@pytest.mark.parametrize(("tokens", "usd"), [(-1, 0.0), (0, -0.1), (0, float("nan")), (0, float("inf"))])
def test_nonsense_is_refused(budget: Budget, tokens: int, usd: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        reserve(budget, tokens, usd)


def test_what_an_ended_owner_had_in_flight_is_presumed_spent(path: Path, budget: Budget) -> None:
    ended, living = Budget(path, LIMITED, ENDPOINTS), Budget(path, LIMITED, ENDPOINTS)
    reserve(ended, 100, 0.1)
    reserve(ended, 20)
    kept = reserve(living, 3)
    ended.close()
    found = state(budget)
    assert (found.presumed, found.reserved.tokens) == (Spend.of(tokens=120, usd=0.1), 3)
    assert state(budget, "endpoint:local").left.tokens == -123
    living.settle(kept, tokens=2, usd=0)
    assert state(budget).spent.tokens == 2
    living.close()


def test_owners_that_end_or_die_leave_no_files(path: Path) -> None:
    dying = "import os, signal, sys; from tests.processors.llm.test_budget import *\n"
    dying += "reserve(Budget(Path(sys.argv[1]), LIMITED, ENDPOINTS), 9); os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run([sys.executable, "-c", dying, str(path)], cwd=REPOSITORY, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(path.parent.glob("*.owner-*"))) == 1
    ended = Budget(path, LIMITED, ENDPOINTS)
    reserve(ended, 1)
    ended.close()
    last = Budget(path, LIMITED, ENDPOINTS)
    assert (state(last).presumed.tokens, state(last).reserved.tokens) == (10, 0)
    last.close()
    assert [file.name for file in path.parent.iterdir()] == ["budget.sqlite"]


def test_a_broken_account_is_never_begun_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not an account" * 1000)
    with pytest.raises(Outage, match=r"budget\.sqlite: file is not a database"):
        Budget(path, LIMITED, ENDPOINTS)
    assert path.read_bytes() == b"not an account" * 1000


def test_what_cannot_be_accounted_for_is_not_spent(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(budget_module, "_BUSY_S", 0.01)
    budget = Budget(path, LIMITED, ENDPOINTS)
    held = reserve(budget, 10)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Outage, match="locked") as outage:
        reserve(budget, 1)
    assert not isinstance(outage.value, BudgetSpent)
    with caplog.at_level(logging.WARNING):
        budget.settle(held, tokens=3, usd=0)
    assert "stays reserved" in caplog.text
    other.execute("ROLLBACK")
    assert (state(budget).spent.tokens, state(budget).reserved.tokens) == (0, 10)
    reserve(budget, 1)
    other.close()
    budget.close()


AMOUNTS = st.builds(Spend, st.integers(0, 60), st.integers(0, 6).map(lambda n: n * 10**8))
SHARES = st.floats(0, 1)


class Spending(RuleBasedStateMachine):
    """Two owners of one account that begin, end, die, and are raised, against sums in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.budgets = [self.opened(), self.opened()]
        self.open: list[tuple[int, Reservation]] = []
        self.sums: dict[tuple[str, str], Spend] = {}
        self.limits = {"total": Spend(200, 10**9), "stage:answering": Spend(100, 0)}
        self.limits |= {"endpoint:strong": Spend(0, 5 * 10**8)}

    def opened(self) -> Budget:
        config = BudgetConfig(tokens=200, usd=1.0, stages={"answering": Allowance(tokens=100)})
        endpoints = {"strong": EndpointConfig(url=URL, budget_usd=0.5)}
        return Budget(Path(self.directory.name) / "budget.sqlite", config, endpoints)

    def add(self, held: Reservation, kind: str, amount: Spend) -> None:
        for scope in held.scopes:
            self.sums[scope, kind] = self.sum(scope, kind) + amount

    def sum(self, scope: str, kind: str) -> Spend:
        return self.sums.get((scope, kind), Spend())

    def fits(self, scope: str, wanted: Spend) -> bool:
        limit, taken = self.limits.get(scope, Spend()), Spend()
        for kind in ("spent", "presumed", "reserved"):
            taken += self.sum(scope, kind)
        tokens = not limit.tokens or not wanted.tokens or taken.tokens + wanted.tokens <= limit.tokens
        return tokens and (
            not limit.nano_usd or not wanted.nano_usd or taken.nano_usd + wanted.nano_usd <= limit.nano_usd
        )

    @rule(
        who=st.integers(0, 1),
        stage=st.sampled_from(["answering", "synthesis"]),
        endpoint=st.sampled_from(["strong", "local"]),
        wanted=AMOUNTS,
    )
    def reserve(self, who: int, stage: str, endpoint: str, wanted: Spend) -> None:
        call: dict[str, Any] = {"stage": stage, "endpoint": endpoint, "tokens": wanted.tokens, "usd": wanted.usd}
        scopes = ("total", f"stage:{stage}", f"endpoint:{endpoint}")
        if full := [scope for scope in scopes if not self.fits(scope, wanted)]:
            with pytest.raises(BudgetSpent) as refused:
                self.budgets[who].reserve(**call)
            assert refused.value.scope == full[0]
            return
        held = self.budgets[who].reserve(**call)
        self.open.append((who, held))
        self.add(held, "reserved", wanted)

    @precondition(lambda self: self.open)
    @rule(draw=st.data(), share=SHARES)
    def settle(self, draw: Any, share: float) -> None:
        who, held = self.open.pop(draw.draw(st.integers(0, len(self.open) - 1)))
        took = Spend(int(held.amount.tokens * share), int(held.amount.nano_usd * share))
        self.budgets[who].settle(held, tokens=took.tokens, usd=took.usd)
        self.add(held, "reserved", -held.amount)
        self.add(held, "spent", took)

    @precondition(lambda self: self.open)
    @rule()
    def release(self) -> None:
        who, held = self.open.pop()
        self.budgets[who].release(held)
        self.add(held, "reserved", -held.amount)

    @rule(who=st.integers(0, 1))
    def die_and_start_again(self, who: int) -> None:
        self.budgets[who].close()
        self.budgets[who] = self.opened()
        for held in [held for owner, held in self.open if owner == who]:
            self.add(held, "reserved", -held.amount)
            self.add(held, "presumed", held.amount)
        self.open = [(owner, held) for owner, held in self.open if owner != who]

    @rule(who=st.integers(0, 1), tokens=st.integers(1, 50))
    def raise_limit(self, who: int, tokens: int) -> None:
        self.budgets[who].raise_limit("stage:answering", tokens=tokens)
        self.limits["stage:answering"] += Spend(tokens)

    @invariant()
    def the_account_is_exact_and_within_the_limits(self) -> None:
        for it in self.budgets[0].states():
            assert it.limit == self.limits.get(it.scope, Spend())
            for kind in ("spent", "presumed", "reserved"):
                assert getattr(it, kind) == self.sum(it.scope, kind)
            assert not it.limit.tokens or it.taken.tokens <= it.limit.tokens
            assert not it.limit.nano_usd or it.taken.nano_usd <= it.limit.nano_usd

    def teardown(self) -> None:
        for budget in self.budgets:
            budget.close()
        self.directory.cleanup()


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_processes_that_are_killed_never_spend_more_than_the_limit(path: Path, tmp_path: Path) -> None:
    """Three at a time on one file, one after the other killed in mid-flight and started again."""
    limit, window, kills = 60_000, 20, 6
    bill = tmp_path / "bill"
    bill.touch()
    command = [sys.executable, "-m", "tests.processors.llm.spender", str(path), str(bill), str(limit), str(window)]

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command, cwd=REPOSITORY)

    running = [start() for _ in range(3)]
    for kill in range(kills):
        while bill.stat().st_size < (kill + 1) * limit // (2 * kills):
            assert all(it.poll() is None for it in running)
            time.sleep(0.005)
        victim = running.pop(0)
        victim.kill()
        assert victim.wait() == -signal.SIGKILL
        running.append(start())
    assert [it.wait(120) for it in running] == [0, 0, 0]

    budget = Budget(path, BudgetConfig(tokens=limit), {})
    total = state(budget)
    billed = bill.stat().st_size
    assert total.reserved == Spend()
    assert total.spent.tokens <= billed <= total.taken.tokens <= limit
    assert 0 < total.presumed.tokens <= kills * window * PREDICTED
    assert limit - total.taken.tokens < PREDICTED
    with pytest.raises(BudgetSpent):
        reserve(budget, PREDICTED)
    budget.close()
