"""The controller's leases and the funds of two workers on one loop, joined by links that a seed delays.

The database is real; the writer is inline, and every step between the parts takes a seeded number of turns of
the loop, so a seed fixes the interleaving.
"""

import asyncio
import random
from typing import Any

from switchgear.control.leases import Leases
from switchgear.control.metrics import Metrics
from switchgear.control.workers import Workers
from switchgear.kernel.errors import ApiError
from switchgear.ledger.record import UsageRecord
from switchgear.link.protocol import Acquire, Returned
from switchgear.link.snapshot import Principal
from switchgear.relay.funds import Funds, Span
from switchgear.store.db import Database
from switchgear.store.ingest import cursor, ingest
from tests.sim.ledger_parts import usage_record
from tests.sim.still_loop import LoopClock


class Turns:
    """Seeded numbers of turns of the loop."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    async def some(self, most: int = 6) -> None:
        for _ in range(self.random.randrange(most)):
            await asyncio.sleep(0)


class InlineStore:
    """One writer in the order of asking, as the real threads have; readers are not ordered."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self._database, self._turns, self._writer = database, turns, asyncio.Lock()

    async def write(self, fn: Any) -> Any:
        async with self._writer:
            await self._turns.some()
            return self._database.write(fn)

    async def read(self, fn: Any) -> Any:
        await self._turns.some()
        return self._database.read(fn)


class Wire:
    """Delivers in the order of sending, each after a while."""

    def __init__(self, turns: Turns) -> None:
        self._turns, self._queue = turns, asyncio.Queue[Any]()
        self.task = asyncio.create_task(self._run())

    def send(self, deliver: Any) -> None:
        self._queue.put_nowait(deliver)

    async def _run(self) -> None:
        while True:
            deliver = await self._queue.get()
            await self._turns.some()
            deliver()


class Node:
    """One worker: real funds, a link in both directions, and records that wait to be ingested."""

    def __init__(self, house: "MoneyHouse", epoch: str) -> None:
        self.house, self.epoch = house, epoch
        self.up, self.down = Wire(house.turns), Wire(house.turns)
        self.funds = Funds(self.ask, self.tell, LoopClock())
        self.records: list[UsageRecord] = []
        self.asked = 0

    async def ask(self, body: Any) -> object:
        self.asked += 1
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            assert isinstance(body, Acquire)
            result = await self.house.leases.acquire(self.epoch, body)
            self.down.send(lambda: None if answer.done() else answer.set_result(result))

        self.up.send(lambda: self.house.spawn(work()))
        return await answer

    def tell(self, notice: Any) -> None:
        assert isinstance(notice, Returned)
        self.up.send(lambda: self.house.spawn(self.house.leases.book(self.epoch, notice.totals)))

    async def call(self, order: Any, timeout_s: float) -> object:
        """What the controller's peer does: a recall goes down, its answer comes up."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def deliver() -> None:
            given = self.funds.recall(order)
            self.up.send(lambda: answer.set_result(given))

        self.down.send(deliver)
        return await answer

    def settle(self, name: str, nanos: int, who: Principal) -> None:
        self.funds.settle(name, nanos)
        self.records.append(usage_record(name, nanos, who.wallet, who.budget))
        self.up.send(lambda: self.house.spawn(self.house.ingest()))


class MoneyHouse:
    def __init__(self, database: Database, epochs: tuple[str, ...], seed: int) -> None:
        self.turns = Turns(seed)
        self.store: Any = InlineStore(database, self.turns)
        self.workers = Workers()
        self.workers.on_catch_up(self.ingest)
        self.leases = Leases(self.store, self.workers, LoopClock(), Metrics())
        self.nodes = [Node(self, epoch) for epoch in epochs]
        for node in self.nodes:
            peer: Any = node
            self.workers.add(node.epoch, peer)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ingesting = asyncio.Lock()

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ingest(self) -> None:
        async with self._ingesting:
            for node in self.nodes:
                records, node.records = node.records, []
                if records:
                    await self.store.write(
                        lambda connection, node=node, records=records: _book(connection, node, records)
                    )
        self.leases.wake()

    async def call(self, number: int, who: Principal, hold: int, price: int) -> bool:
        """One call on a worker of its own choice. False: refused for want of money."""
        node, name = self.nodes[self.turns.random.randrange(len(self.nodes))], f"r{number}"
        await self.turns.some(20)
        legs = ((who.wallet, 2 * hold), (who.budget, 2 * hold)) if who.budget else ((who.wallet, 2 * hold),)
        if not node.funds.hold(name, legs):

            async def refine() -> Span:
                await self.turns.some()
                return Span(hold, hold)

            try:
                await node.funds.hold_with_help(name, who, Span(2 * hold, 2 * hold), refine)
            except ApiError as refusal:
                if refusal.row.name != "quota":
                    raise
                return False
        await self.turns.some(60)
        node.settle(name, price, who)
        return True

    async def end(self) -> None:
        tasks = [*self._tasks, *(wire.task for node in self.nodes for wire in (node.up, node.down))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _book(connection: Any, node: Node, records: list[UsageRecord]) -> None:
    at = cursor(connection, node.epoch)
    ingest(connection, node.epoch, records, at, at + len(records))
