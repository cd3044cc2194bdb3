"""What the in-memory house of the ledger is made of: the rules under test, a database, a worker life."""

from switchgear.kernel.charge import Charge, ChargeLine
from switchgear.kernel.usage import Usage
from switchgear.ledger import chart, journal, lease, recover, transfer
from switchgear.ledger.record import UsageRecord, encode_record

RATE_OF_ONE_NANO = 1_000_000
"""Nanos per million units, so that n units cost n nanos."""


class Broken(AssertionError):
    """An invariant does not hold."""


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)


class Parts:
    """The rules under test: the product's own. A seeded mistake is a subclass that gets one of them wrong."""

    book = lease.LeaseBook
    plan_grant = staticmethod(lease.plan_grant)
    settle = staticmethod(transfer.settle)
    bury = staticmethod(recover.plan_burial)
    reconcile = staticmethod(recover.reconcile)
    check_epoch = staticmethod(recover.check_epoch)
    scan = staticmethod(journal.scan)
    ignores_known_ids = True
    drains_before_burial = True
    cursor_commits_with_transfers = True
    cursor_step_back_bytes = 0
    caps_charge_at_hold = False


class Database:
    """Commits a batch at once; transfers whose ids it knows are ignored."""

    def __init__(self, parts: type[Parts]) -> None:
        self.parts = parts
        self.transfers: dict[str, transfer.Transfer] = {}
        self.balances: dict[str, int] = {}
        self.records: dict[str, UsageRecord] = {}
        self.cursors: dict[str, int] = {}
        self.totals: dict[str, dict[str, tuple[int, int]]] = {}
        """Epoch → account → (granted, returned)."""
        self.buried: set[str] = set()

    def balance(self, account: str) -> int:
        return self.balances.get(account, 0)

    def total(self, epoch: str, account: str) -> tuple[int, int]:
        return self.totals.get(epoch, {}).get(account, (0, 0))

    def totals_of(self, epoch: str) -> recover.Totals:
        return tuple((account, *pair) for account, pair in self.totals.get(epoch, {}).items())

    def commit(self, moves: tuple[transfer.Transfer, ...]) -> None:
        for move in moves:
            if move.id in self.transfers and self.parts.ignores_known_ids:
                continue
            self.transfers[move.id] = move
            self.balances[move.debit] = self.balance(move.debit) - move.nanos
            self.balances[move.credit] = self.balance(move.credit) + move.nanos
            if move.kind == "grant":
                self._grow(move.credit, move.nanos, 0)
            elif move.kind == "return":
                self._grow(move.debit, 0, move.nanos)

    def _grow(self, lease_name: str, granted: int, returned: int) -> None:
        account, epoch = chart.leased_account(lease_name)
        before = self.total(epoch, account)
        self.totals.setdefault(epoch, {})[account] = before[0] + granted, before[1] + returned


class Worker:
    """One worker life: its book, its journal, and what a test must remember of it."""

    def __init__(self, epoch: str, node: int, parts: type[Parts]) -> None:
        self.epoch = epoch
        self.node = node
        self.book = parts.book()
        self.journal = b""
        self.synced_bytes = 0
        self.written: list[tuple[int, str]] = []
        """(offset after the frame, request id) of each record."""
        self.alive = True
        self.connected = False
        self.written_off = False
        self.open: dict[str, lease.Legs] = {}
        self.owed: dict[str, tuple[int, int]] = {}
        """What a recall may still take: account → (nanos, until)."""
        self.late_answers: list[tuple[str, int]] = []
        """Answers that come late, or a second time: (account, granted total)."""

    def write(self, record: UsageRecord) -> None:
        self.journal += journal.frame(encode_record(record))
        self.written.append((len(self.journal), record.request_id))

    def lose_tail(self, keep: int, flips: tuple[int, ...], cursor: int) -> set[str]:
        """A power cut: ``keep`` bytes of the unsynced tail survive, some of them flipped.

        Returns the request ids that are lost. Damage before ``cursor`` costs nothing: it was read before.
        """
        tail = bytearray(self.journal[self.synced_bytes : self.synced_bytes + keep])
        hits = {flip for flip in flips if flip < len(tail)}
        for flip in hits:
            tail[flip] ^= 0x41
        self.journal = self.journal[: self.synced_bytes] + bytes(tail)
        damage = [at for hit in hits if (at := self.synced_bytes + hit) >= cursor]
        sound = min(damage, default=len(self.journal))
        self.synced_bytes = len(self.journal)
        return {request_id for after, request_id in self.written if after > sound}


def make_record(request_id: str, legs: lease.Legs, nanos: int) -> UsageRecord:
    """A record whose charge of ``nanos`` goes to the accounts of a reservation."""
    return usage_record(request_id, nanos, *(account for account, _ in legs))


def usage_record(request_id: str, nanos: int, wallet: str, budget: str = "") -> UsageRecord:
    """A record whose charge is ``nanos``, as the sum of one line."""
    lines = (ChargeLine("output_text", nanos, RATE_OF_ONE_NANO),)
    return UsageRecord(
        request_id=request_id,
        at_ms=1,
        user_id="u",
        key_id="k",
        group="default",
        dialect="openai_chat",
        operation="openai_chat",
        model="m",
        end_state="complete",
        usage_source="reported",
        usage=Usage(output_text=nanos),
        charge=Charge(nanos, "p", lines=lines),
        wallet=wallet,
        budget=budget,
    )
