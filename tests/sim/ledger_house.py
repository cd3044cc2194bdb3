"""A house in memory for the ledger's rules: nodes, workers, a controller and a database that can each break.

The money rules are the product's own (``Parts``); only what is around them is made up here. A test calls the
steps in any order; ``check`` holds what must stand after every step, and ``close`` ends everything in good
order and compares the books with what really happened.
"""

from switchgear.ledger import audit, chart, lease, recover, transfer
from switchgear.ledger.record import UsageRecord, decode_record
from tests.sim.ledger_parts import Broken, Database, Parts, Worker, make_record, require

HOLD_STEPS = 4
"""So many steps a recall stays owed; the house's clock ticks once a step."""


class House:
    """Nodes × workers over one database; the controller is on node 0."""

    def __init__(self, parts: type[Parts], *, budgets: bool, nodes: int = 2, workers: int = 2) -> None:
        self.parts = parts
        self.budgets = budgets
        self.db = Database(parts)
        self.now_ns = 1
        self.serial = 0
        self.admissions = 0
        self.allowed: dict[str, int] = {}
        """Account → how far below zero it may be: excess over estimates, and corrections it did not cover."""
        self.truth: dict[str, UsageRecord] = {}
        """Each record that must end up charged: finished, and neither lost to a power cut nor written off."""
        self.workers: list[Worker] = []
        self.graves: list[Worker] = []
        for node in range(nodes):
            for _ in range(workers):
                self.start(node)

    # Workers come, go and come back.

    def start(self, node: int) -> None:
        worker = Worker(f"e{self._next()}", node, self.parts)
        self.workers.append(worker)
        self.connect(worker)

    def connect(self, worker: Worker) -> None:
        """Hello and Welcome. A worker whose epoch is buried is refused, and ends."""
        db = self.db
        try:
            self.parts.check_epoch(worker.epoch, db.buried)
        except recover.EpochBuried:
            self.kill(worker)
            self._retire(worker)
            return
        found = self.parts.reconcile(db.totals_of(worker.epoch), worker.book.totals())
        self._book(worker, found)
        again = self.parts.reconcile(found.welcome_totals, worker.book.totals())
        require(not again.returns_to_book, "reconciling twice books twice")
        for account, granted, returned in found.welcome_totals:
            worker.book.adopt(account, granted, returned)
        worker.connected = True
        ours = {row for row in worker.book.totals() if row[1]}
        require(ours == set(db.totals_of(worker.epoch)), "after Welcome the two sides know different totals")

    def disconnect(self, worker: Worker) -> None:
        worker.connected = False
        worker.late_answers.clear()

    def controller_crash(self) -> None:
        for worker in self.workers:
            self.disconnect(worker)

    def kill(self, worker: Worker) -> None:
        """kill −9: memory is gone, what was written to the journal stays."""
        self.disconnect(worker)
        worker.alive = False
        worker.open.clear()

    def power_cut(self, node: int, keep: int, flips: tuple[int, ...] = ()) -> None:
        """All workers of a node die with most of their unsynced tails; the database syncs each commit."""
        for worker in [one for one in self.workers if one.node == node]:
            self.kill(worker)
            cursor = self.db.cursors.get(worker.epoch, 0)
            for request_id in worker.lose_tail(keep, flips, cursor) - self.db.records.keys():
                self.truth.pop(request_id, None)
        if node == 0:
            self.controller_crash()

    def sync(self, worker: Worker) -> None:
        worker.synced_bytes = len(worker.journal)

    # Calls.

    def reserve(self, worker: Worker, payers: tuple[str, str], estimate: int, cut: str = "") -> str | None:
        """One admission: the id of the reservation, or None when it was refused.

        ``cut``: the controller dies ``before`` or ``after`` it commits the grant that this call waits for.
        """
        legs = tuple((account, estimate) for account in (payers if self.budgets else payers[:1]))
        covered = all(self._reachable(worker, account, estimate) for account, _ in legs)
        on_its_way = all(
            self._reachable(worker, account, estimate, self._unanswered(worker, account))
            for account, _ in legs
        )
        request_id = f"r{self._next():06d}"
        shortfall = worker.book.reserve(request_id, legs)
        if shortfall is not None and worker.connected:
            self._acquire(worker, shortfall.needs, cut)
            if cut:
                self.controller_crash()
                return None
            shortfall = worker.book.reserve(request_id, legs)
        self.admissions += 1
        accepted = shortfall is None
        require(accepted or not covered, f"{request_id} was refused, though reachable money covers it")
        require(not accepted or on_its_way, f"{request_id} was accepted, though no reachable money covers it")
        if accepted:
            worker.open[request_id] = legs
        return request_id if accepted else None

    def end(self, worker: Worker, request_id: str, actual: int) -> None:
        """Settles (0 cancels): the record goes to the journal first, so that no crash in between loses it."""
        legs = worker.open.pop(request_id)
        if not worker.written_off:
            self.truth[request_id] = make_record(request_id, legs, actual)
        nanos = min(actual, legs[0][1]) if self.parts.caps_charge_at_hold else actual
        worker.write(make_record(request_id, legs, nanos))
        expected = {}
        for account, held in legs:
            self._allow(account, actual - held)
            after = worker.book.free(account) + held - actual
            expected[account] = after - self._pay_owed(worker, account, held - actual, after)
        paid = worker.book.settle(request_id, nanos, self.now_ns)
        for account, free in expected.items():
            found = worker.book.free(account)
            require(found == free, f"{account} has {found} free, not {free}")
        if worker.connected:
            self._say_returned(worker, paid)
        try:
            worker.book.settle(request_id, nanos, self.now_ns)
        except lease.UnknownReservation:
            return
        raise Broken("a reservation ended twice")

    def raise_hold(self, worker: Worker, request_id: str, more: int) -> None:
        """A long session asks for more of every leg, and gets it only from what is free."""
        legs = worker.open[request_id]
        covered = all(worker.book.free(account) >= more for account, _ in legs) or more == 0
        before = [worker.book.held(account) for account, _ in legs]
        raised = worker.book.raise_hold(request_id, more) is None
        require(raised == covered, f"{request_id}: raised {raised}, but its leases cover it: {covered}")
        after = [worker.book.held(account) for account, _ in legs]
        grown = [held + (more if raised else 0) for held in before]
        require(after == grown, f"{request_id}: the legs hold {after}, not {grown}")
        if raised:
            worker.open[request_id] = tuple((account, held + more) for account, held in legs)

    def refill(self, worker: Worker, account: str) -> None:
        """The background request at the low-water mark; its answer may be overtaken by later ones."""
        wanted = worker.book.refill_wanted(account)
        if wanted and worker.connected:
            self._grant(
                worker,
                account,
                self.parts.plan_grant(
                    self.db.balance(account), wanted, (), self._workers_up(), False
                ).grant_nanos,
            )
            worker.late_answers.append((account, self.db.total(worker.epoch, account)[0]))

    def deliver_late(self, worker: Worker) -> None:
        """The oldest answer arrives once more, or at last."""
        if worker.late_answers:
            account, granted = worker.late_answers.pop(0)
            before = worker.book.totals((account,))
            worker.book.apply_grant(account, granted)
            require(worker.book.totals((account,)) >= before, "a late answer took a grant back")

    def recall(self, worker: Worker, account: str, nanos: int) -> None:
        """The controller takes back what is free, and what comes free soon."""
        free, held = worker.book.free(account), worker.book.held(account)
        given = worker.book.recall(account, nanos, self.now_ns + HOLD_STEPS, self.now_ns)
        require(given == max(0, min(nanos, free)), f"a recall of {nanos} gave {given} of {free} free")
        require(worker.book.held(account) == held, "a recall touched a hold")
        standing, until = worker.owed.get(account, (0, 0))
        standing = standing if self.now_ns < until else 0
        worker.owed[account] = standing + nanos - given, self.now_ns + HOLD_STEPS
        if worker.connected:
            self._say_returned(worker, (account,))

    def give_back_all(self, worker: Worker) -> None:
        accounts = worker.book.give_back_all()
        if worker.connected:
            self._say_returned(worker, accounts)

    # Money from outside.

    def fund(self, account: str, nanos: int) -> None:
        """A top-up, or (negative) a lowered quota, which may be more than the account still has."""
        if nanos < 0:
            self._allow(account, -nanos - max(0, self.db.balance(account)))
        self.db.commit((transfer.fund(account, nanos, chart.source("topup"), f"f{self._next()}"),))

    # Ingest, recovery, loss.

    def ingest(
        self, worker: Worker, bytes_max: int, start: int | None = None, *, commit: bool = True
    ) -> None:
        """Reads on from the cursor, or again from ``start``; without ``commit`` the controller dies first."""
        db, epoch = self.db, worker.epoch
        try:
            self.parts.check_epoch(epoch, db.buried)
        except recover.EpochBuried:
            return
        cursor = db.cursors.get(epoch, 0)
        at = cursor if start is None else min(start, cursor)
        found = self.parts.scan(worker.journal[: at + bytes_max], at)
        records = [decode_record(payload) for payload in found.payloads]
        if commit or not self.parts.cursor_commits_with_transfers:
            after = max(found.consumed - self.parts.cursor_step_back_bytes, 0)
            require(start is not None or after >= cursor, "a cursor moved back")
            db.cursors[epoch] = max(after, cursor)
        if commit:
            for record in records:
                db.commit(self.parts.settle(record, epoch))
                db.records[record.request_id] = record
        else:
            self.controller_crash()

    def bury(self, worker: Worker) -> None:
        """Recovery of a dead worker: ingest to the end, then empty its leases."""
        if self.parts.drains_before_burial:
            self.ingest(worker, len(worker.journal) + 1)
            self._empty(worker)
        else:
            self._empty(worker)
            self.db.buried.discard(worker.epoch)
            self.ingest(worker, len(worker.journal) + 1)
            self.db.buried.add(worker.epoch)
        self._retire(worker)

    def write_off(self, worker: Worker) -> None:
        """A node is lost: its journal can't be read, its worker may run on. What it leased goes back."""
        self.disconnect(worker)
        self._empty(worker)
        worker.written_off = True
        for _, request_id in worker.written:
            if request_id not in self.db.records:
                self.truth.pop(request_id, None)

    def bury_again(self, index: int) -> None:
        """Recovery after a crash of the controller does what it did before; nothing may move."""
        if self.graves:
            before = dict(self.db.balances)
            self.db.commit(self.parts.bury(before, self.graves[index % len(self.graves)].epoch, 0))
            require(before == self.db.balances, "burying again moved money")

    # What must hold.

    def check(self) -> None:
        """After every step."""
        self.now_ns += 1
        db = self.db
        require(sum(db.balances.values()) == 0, "balances do not sum to zero")
        for account, nanos in db.balances.items():
            kind = chart.kind_of(account)
            if kind in ("wallet", "budget"):
                require(nanos >= -self.allowed.get(account, 0), f"{account} is at {nanos}, beyond its excess")
            elif kind == "lease" and nanos:
                epoch = chart.leased_account(account)[1]
                require(epoch not in db.buried, f"{account} holds {nanos} when buried")
        charged = sum(record.charge.nanos for record in db.records.values())
        require(db.balance(chart.revenue) == charged, "revenue differs from the sum of charges")
        for request_id, record in db.records.items():
            truth = self.truth.get(request_id)
            require(truth == record, f"{request_id} was charged {record.charge}, but was {truth}")
        for worker in self.workers:
            if worker.alive and not worker.written_off:
                self._check_book(worker)

    def close(self) -> None:
        """Everybody ends, is ingested and buried; then the books must say what happened, and no more."""
        for worker in list(self.workers):
            if worker.written_off:
                self.connect(worker)
                self.ingest(worker, len(worker.journal) + 1)
            else:
                self.kill(worker)
                self.bury(worker)
            self.check()
        require(self.truth.keys() == self.db.records.keys(), "what was finished is not what was charged")
        self._check_payers()
        moves = sorted(self.db.transfers.values(), key=lambda move: move.id)
        findings = audit.audit(
            (move for move in moves if move.kind == "settle"),
            (move for move in moves if move.kind != "settle"),
            (self.db.records[request_id] for request_id in sorted(self.db.records)),
            self.db.balances,
            self.db.buried,
        )
        require(not audit.faults(findings), f"the audit is not clean: {findings}")

    def _check_book(self, worker: Worker) -> None:
        """A worker never thinks it may spend more than its leases hold in the database."""
        for account, granted, returned in worker.book.totals():
            known = self.db.total(worker.epoch, account)
            in_order = granted <= known[0] and returned >= known[1]
            require(in_order, f"{account} of {worker.epoch}: totals crossed")
            mine = worker.book.free(account) + worker.book.held(account)
            leased = self.db.balance(chart.lease(account, worker.epoch))
            require(mine <= leased, f"{account} of {worker.epoch}: {mine} is more than the {leased} leased")

    def _check_payers(self) -> None:
        """Each payer has what it was given, less its charges."""
        expected: dict[str, int] = {}
        for move in self.db.transfers.values():
            if move.kind == "fund":
                expected[move.credit] = expected.get(move.credit, 0) + move.nanos
                expected[move.debit] = expected.get(move.debit, 0) - move.nanos
        for record in self.truth.values():
            for payer in filter(None, (record.wallet, record.budget)):
                expected[payer] = expected.get(payer, 0) - record.charge.nanos
        for account, nanos in expected.items():
            found = self.db.balance(account)
            require(found == nanos, f"{account} has {found}, not {nanos}")

    # What the controller does, and what the house knows better.

    def _next(self) -> int:
        self.serial += 1
        return self.serial

    def _allow(self, account: str, nanos: int) -> None:
        self.allowed[account] = self.allowed.get(account, 0) + max(0, nanos)

    def _workers_up(self) -> int:
        return max(1, sum(worker.connected for worker in self.workers))

    def _others(self, worker: Worker) -> list[Worker]:
        return [other for other in self.workers if other.connected and other is not worker]

    def _unanswered(self, worker: Worker, account: str) -> int:
        """Granted by a refill whose answer is not there yet; it comes with the next one, by luck."""
        known = sum(granted for _, granted, _ in worker.book.totals((account,)))
        return self.db.total(worker.epoch, account)[0] - known if worker.connected else 0

    def _reachable(self, worker: Worker, account: str, estimate: int, more: int = 0) -> bool:
        """Own free money; with a controller also what no lease has, and what connected others have free.

        A call that costs nothing needs nothing, even below zero.
        """
        own = worker.book.free(account) + more
        others = sum(max(0, other.book.free(account)) for other in self._others(worker))
        everything = own + self.db.balance(account) + others
        return estimate == 0 or own >= estimate or (worker.connected and everything >= estimate)

    def _acquire(self, worker: Worker, needs: lease.Legs, cut: str) -> None:
        """For a call that waits: plan, recall if it must, plan again, commit, answer."""
        for account, missing in needs:
            plan = self._plan(worker, account, missing)
            if plan.recalls:
                for other in self._others(worker):
                    for _, nanos in filter(lambda row, epoch=other.epoch: row[0] == epoch, plan.recalls):
                        self.recall(other, account, nanos)
                plan = self._plan(worker, account, missing)
            if cut != "before":
                self._grant(worker, account, plan.grant_nanos)
            if not cut:
                granted = self.db.total(worker.epoch, account)[0]
                worker.book.apply_grant(account, granted)
                worker.late_answers.append((account, granted))

    def _plan(self, worker: Worker, account: str, missing: int) -> lease.GrantPlan:
        bounds = [
            (other.epoch, self.db.balance(chart.lease(account, other.epoch)))
            for other in self._others(worker)
        ]
        return self.parts.plan_grant(self.db.balance(account), missing, bounds, self._workers_up(), True)

    def _grant(self, worker: Worker, account: str, nanos: int) -> None:
        if nanos > 0:
            total = self.db.total(worker.epoch, account)[0] + nanos
            self.db.commit((transfer.grant(account, worker.epoch, nanos, total, 0),))

    def _say_returned(self, worker: Worker, accounts: tuple[str, ...]) -> None:
        """A Returned frame, said twice: its figures are cumulative, so the second changes nothing."""
        for _ in range(2):
            totals = worker.book.totals(accounts)
            self._book(worker, self.parts.reconcile(self.db.totals_of(worker.epoch), totals))

    def _book(self, worker: Worker, found: recover.Reconciliation) -> None:
        for account, nanos in found.returns_to_book:
            total = self.db.total(worker.epoch, account)[1] + nanos
            self.db.commit((transfer.give_back(account, worker.epoch, nanos, total, 0),))

    def _pay_owed(self, worker: Worker, account: str, freed: int, free: int) -> int:
        owed, until = worker.owed.get(account, (0, 0))
        if self.now_ns >= until:
            return 0
        paid = max(0, min(owed, freed, free))
        worker.owed[account] = owed - paid, until
        return paid

    def _empty(self, worker: Worker) -> None:
        self.db.commit(self.parts.bury(self.db.balances, worker.epoch, 0))
        self.db.buried.add(worker.epoch)

    def _retire(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self.graves.append(worker)
