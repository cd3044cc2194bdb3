"""The ledger's rules under every order of events that chance can make.

Without this file a race between workers, a crash between two writes or a lost frame could charge twice, forget a
charge, strand money in a dead lease or refuse a user who can pay, and no example test would notice.
``SWITCHGEAR_MODEL_HISTORIES`` sets the number of random histories.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.sim.ledger_histories import CENT, PAYERS, History
from tests.sim.ledger_house import House
from tests.sim.ledger_mistakes import MISTAKES
from tests.sim.ledger_parts import Parts

HISTORIES = int(os.environ.get("SWITCHGEAR_MODEL_HISTORIES", "1200"))
STEPS = 60
CAUGHT_WITHIN = 400
"""Histories; the slowest mistake shows itself in far fewer."""


@pytest.mark.parametrize("budgets", [False, True], ids=["wallet", "wallet and budget"])
@pytest.mark.timeout(0)
def test_no_history_breaks_an_invariant(budgets: bool) -> None:
    admissions = 0
    for seed in range(HISTORIES):
        try:
            admissions += History(seed, Parts, budgets=budgets).run(STEPS)
        except Exception as error:
            pytest.fail(f"History(seed={seed}, budgets={budgets}).run({STEPS}): {error!r}")
    assert admissions > HISTORIES * 8


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_every_seeded_mistake_is_caught(mistake: type[Parts]) -> None:
    for seed in range(CAUGHT_WITHIN):
        try:
            History(seed, mistake, budgets=seed % 2 == 1).run(STEPS)
        except Exception:
            return
    pytest.fail(f"{mistake.__name__} went unnoticed for {CAUGHT_WITHIN} histories: {mistake.__doc__}")


def test_there_are_enough_mistakes() -> None:
    assert len(MISTAKES) >= 12
    assert all(mistake.__doc__ for mistake in MISTAKES)


INDEX = st.integers(0, 7)
AMOUNT = st.integers(0, 12) | st.integers(0, 12).map(lambda amount: amount * CENT)
PAYER = st.sampled_from(PAYERS)


class LedgerMachine(RuleBasedStateMachine):
    """The same house, driven by Hypothesis, which shrinks what it breaks to the fewest steps."""

    budgets = False

    def __init__(self) -> None:
        super().__init__()
        self.house = House(Parts, budgets=self.budgets, workers=1)

    @invariant()
    def holds(self) -> None:
        self.house.check()

    @rule(payers=PAYER, amount=AMOUNT, more=AMOUNT)
    def fund(self, payers, amount, more) -> None:
        for account in payers:
            self.house.fund(account, amount + more + 1)

    @rule(payers=PAYER, amount=AMOUNT, leg=st.integers(0, 1))
    def lower(self, payers, amount, leg) -> None:
        self.house.fund(payers[leg if self.budgets else 0], -amount - 1)

    @precondition(lambda self: self._up())
    @rule(index=INDEX, payers=PAYER, estimate=AMOUNT, cut=st.sampled_from(["", "", "", "before", "after"]))
    def reserve(self, index, payers, estimate, cut) -> None:
        self.house.reserve(self._pick(self._up(), index), payers, estimate, cut)

    @precondition(lambda self: any(worker.open for worker in self._up()))
    @rule(index=INDEX, actual=AMOUNT, as_held=st.booleans())
    def end(self, index, actual, as_held) -> None:
        worker = self._pick([worker for worker in self._up() if worker.open], index)
        request_id, legs = next(iter(worker.open.items()))
        self.house.end(worker, request_id, legs[0][1] if as_held else actual)

    @precondition(lambda self: self._up())
    @rule(index=INDEX, payers=PAYER, nanos=AMOUNT, connected=st.booleans())
    def recall(self, index, payers, nanos, connected) -> None:
        worker = self._pick(self._up(), index)
        if not connected:
            self.house.disconnect(worker)
        self.house.recall(worker, payers[0], nanos)

    @precondition(lambda self: self._up())
    @rule(index=INDEX, payers=PAYER, late=st.booleans())
    def refill(self, index, payers, late) -> None:
        worker = self._pick(self._up(), index)
        if late:
            self.house.deliver_late(worker)
        else:
            self.house.refill(worker, payers[0])

    @precondition(lambda self: self.house.workers)
    @rule(index=INDEX, bytes_max=st.integers(1, 2000), again=st.booleans(), commit=st.booleans())
    def ingest(self, index, bytes_max, again, commit) -> None:
        self.house.ingest(
            self._pick(self.house.workers, index), bytes_max, 0 if again else None, commit=commit
        )

    @precondition(lambda self: self._up())
    @rule(index=INDEX, sync=st.booleans())
    def sync_or_drain(self, index, sync) -> None:
        worker = self._pick(self._up(), index)
        if sync:
            self.house.sync(worker)
        else:
            self.house.give_back_all(worker)

    @precondition(lambda self: self._up())
    @rule(index=INDEX)
    def kill(self, index) -> None:
        self.house.kill(self._pick(self._up(), index))

    @rule(node=st.integers(0, 1), keep=st.integers(0, 700), flips=st.sets(st.integers(0, 700), max_size=2))
    def power_cut(self, node, keep, flips) -> None:
        self.house.power_cut(node, keep, tuple(flips))

    @rule()
    def controller_crash(self) -> None:
        self.house.controller_crash()

    @precondition(lambda self: any(not worker.connected for worker in self._up()))
    @rule(index=INDEX)
    def connect(self, index) -> None:
        self.house.connect(self._pick([worker for worker in self._up() if not worker.connected], index))

    @precondition(lambda self: len(self.house.workers) < 5)
    @rule(node=st.integers(0, 1))
    def start(self, node) -> None:
        self.house.start(node)

    @precondition(lambda self: self._dead())
    @rule(index=INDEX)
    def bury(self, index) -> None:
        self.house.bury(self._pick(self._dead(), index))
        self.house.bury_again(index)

    @precondition(lambda self: any(not w.connected and not w.written_off for w in self.house.workers))
    @rule(index=INDEX)
    def write_off(self, index) -> None:
        lost = [worker for worker in self.house.workers if not worker.connected and not worker.written_off]
        self.house.write_off(self._pick(lost, index))

    def teardown(self) -> None:
        self.house.close()

    def _up(self):
        return [worker for worker in self.house.workers if worker.alive]

    def _dead(self):
        return [worker for worker in self.house.workers if not worker.alive and not worker.written_off]

    @staticmethod
    def _pick(workers, index):
        return workers[index % len(workers)]


class BudgetLedgerMachine(LedgerMachine):
    budgets = True


_settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestWallet = LedgerMachine.TestCase
TestWallet.settings = _settings
TestWalletAndBudget = BudgetLedgerMachine.TestCase
TestWalletAndBudget.settings = _settings
