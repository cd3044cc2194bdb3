"""Random histories of the ledger's house: the same seed gives the same history."""

from collections.abc import Callable
from random import Random

from tests.sim.ledger_house import House
from tests.sim.ledger_parts import Parts, Worker

PAYERS = (("wallet:ann", "budget:key:a"), ("wallet:bob", "budget:key:b"))
CENT = 1_000_000
"""With amounts of this size leases have comfortable sizes; with single nanos all grants are exact."""


class History:
    """One random walk over the house's steps."""

    def __init__(self, seed: int, parts: type[Parts], *, budgets: bool) -> None:
        self.rng = Random(seed)
        self.house = House(parts, budgets=budgets, workers=self.rng.choice((1, 1, 2)))
        self.scale = self.rng.choice((1, CENT))
        for payers in PAYERS:
            for account in payers:
                if amount := self.rng.randrange(120):
                    self.house.fund(account, amount * self.scale)

    def run(self, steps: int) -> int:
        """Returns the number of admissions. Raises Broken, or whatever a mistake makes the parts raise."""
        names = [step for step, _ in STEPS]
        weights = [weight for _, weight in STEPS]
        for step in self.rng.choices(names, weights, k=steps):
            step(self)
            self.house.check()
        self.house.close()
        return self.house.admissions

    # Steps. Each takes what it needs by chance, and does nothing when there is nothing of the kind.

    def reserve(self, cut: str = "") -> None:
        if worker := self._worker(alive=True):
            self.house.reserve(worker, self.rng.choice(PAYERS), self._amount(30), cut)

    def reserve_cut(self) -> None:
        self.reserve(self.rng.choice(("before", "after")))

    def end(self) -> None:
        worker = self._worker(alive=True)
        if worker and worker.open:
            request_id = self.rng.choice(sorted(worker.open))
            estimate = worker.open[request_id][0][1]
            actual = self.rng.choice((0, estimate, estimate // 2, estimate - 1, estimate + self._amount(9)))
            self.house.end(worker, request_id, max(0, actual))

    def raise_hold(self) -> None:
        worker = self._worker(alive=True)
        if worker and worker.open:
            self.house.raise_hold(worker, self.rng.choice(sorted(worker.open)), self._amount(9))

    def fund(self) -> None:
        self.house.fund(self._account(), self._amount(60) + 1)

    def lower(self) -> None:
        self.house.fund(self._account(), -self._amount(20) - 1)

    def refill(self) -> None:
        if worker := self._worker(alive=True):
            self.house.refill(worker, self._account())

    def deliver_late(self) -> None:
        if worker := self._worker(alive=True):
            self.house.deliver_late(worker)

    def recall(self) -> None:
        """While it is connected, or as its answer is lost with the connection."""
        if worker := self._worker(connected=True):
            if self.rng.random() < 0.3:
                self.house.disconnect(worker)
            self.house.recall(worker, self._account(), self._amount(40))

    def give_back_all(self) -> None:
        if worker := self._worker(alive=True):
            self.house.give_back_all(worker)

    def sync(self) -> None:
        if worker := self._worker(alive=True):
            self.house.sync(worker)

    def ingest(self) -> None:
        if worker := self._worker():
            self.house.ingest(worker, self.rng.choice((10, 300, 700, 10_000)), commit=self.rng.random() < 0.9)

    def ingest_again(self) -> None:
        if worker := self._worker():
            self.house.ingest(worker, 10_000, 0)

    def kill(self) -> None:
        if worker := self._worker(alive=True):
            self.house.kill(worker)

    def power_cut(self) -> None:
        flips = tuple(self.rng.randrange(900) for _ in range(self.rng.choice((0, 0, 1, 3))))
        self.house.power_cut(self.rng.randrange(2), self.rng.randrange(900), flips)

    def controller_crash(self) -> None:
        self.house.controller_crash()

    def disconnect(self) -> None:
        if worker := self._worker(connected=True):
            self.house.disconnect(worker)

    def connect(self) -> None:
        for worker in list(self.house.workers):
            if worker.alive and not worker.connected and self.rng.random() < 0.7:
                self.house.connect(worker)

    def start(self) -> None:
        if len(self.house.workers) < 6:
            self.house.start(self.rng.randrange(2))

    def bury(self) -> None:
        if (worker := self._worker(alive=False)) and not worker.written_off:
            self.house.bury(worker)

    def bury_again(self) -> None:
        self.house.bury_again(self.rng.randrange(100))

    def write_off(self) -> None:
        """Only a node without the controller can be lost to it."""
        worker = self._worker(connected=False)
        if worker and worker.node and not worker.written_off:
            self.house.write_off(worker)

    def _worker(self, alive: bool | None = None, connected: bool | None = None) -> Worker | None:
        fitting = [
            worker
            for worker in self.house.workers
            if alive in (None, worker.alive) and connected in (None, worker.connected)
        ]
        return self.rng.choice(fitting) if fitting else None

    def _account(self) -> str:
        return self.rng.choice(self.rng.choice(PAYERS)[: 2 if self.house.budgets else 1])

    def _amount(self, most: int) -> int:
        return self.rng.randrange(most) * self.scale + self.rng.randrange(2)


STEPS: tuple[tuple[Callable[[History], None], int], ...] = (
    (History.reserve, 34),
    (History.reserve_cut, 2),
    (History.end, 30),
    (History.fund, 4),
    (History.lower, 2),
    (History.refill, 4),
    (History.deliver_late, 4),
    (History.recall, 4),
    (History.give_back_all, 1),
    (History.sync, 3),
    (History.ingest, 8),
    (History.ingest_again, 2),
    (History.kill, 2),
    (History.power_cut, 1),
    (History.controller_crash, 1),
    (History.disconnect, 2),
    (History.connect, 8),
    (History.start, 3),
    (History.bury, 3),
    (History.bury_again, 1),
    (History.write_off, 2),
    (History.raise_hold, 3),
)
