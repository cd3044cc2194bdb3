"""Seeded mistakes: each class gets one rule of the ledger wrong, in a way that somebody might really write.

The model test requires that every one of them is caught; so the list shows that the test has teeth.
"""

import msgspec

from switchgear.ledger import chart, journal, lease, recover, transfer
from tests.sim.ledger_parts import Parts


class NoIdempotency(Parts):
    """The database takes a transfer twice."""

    ignores_known_ids = False


class BuriedBeforeDrained(Parts):
    """Recovery empties the lease first and ingests the journal afterwards."""

    drains_before_burial = False


class CursorBeforeTransfers(Parts):
    """The cursor commits by itself, so a crash before the transfers skips records."""

    cursor_commits_with_transfers = False


class CursorMovesBack(Parts):
    """Ingest leaves the cursor some bytes short of what it read."""

    cursor_step_back_bytes = 5


class CappedAtHold(Parts):
    """A charge above its estimate is cut to the estimate."""

    caps_charge_at_hold = True


class NoRecall(Parts):
    """Nothing is recalled: money that another worker holds free is out of reach."""

    @staticmethod
    def plan_grant(unleased, missing, others_free, workers, wait):
        plan = lease.plan_grant(unleased, missing, others_free, workers, wait)
        return msgspec.structs.replace(plan, recalls=())


class UncoveredOverdraft(Parts):
    """Whatever is missing is granted, covered or not."""

    @staticmethod
    def plan_grant(unleased, missing, others_free, workers, wait):
        plan = lease.plan_grant(unleased, missing, others_free, workers, wait)
        return lease.GrantPlan(max(plan.grant_nanos, missing) if wait else plan.grant_nanos)


class GrantsWhatOthersHold(Parts):
    """What others could give at most counts as if it had come back already."""

    @staticmethod
    def plan_grant(unleased, missing, others_free, workers, wait):
        return lease.plan_grant(unleased + sum(most for _, most in others_free), missing, (), workers, wait)


class RecallsTooLittle(Parts):
    """Only one other worker is asked."""

    @staticmethod
    def plan_grant(unleased, missing, others_free, workers, wait):
        plan = lease.plan_grant(unleased, missing, others_free, workers, wait)
        return msgspec.structs.replace(plan, recalls=plan.recalls[:1])


class IgnoresHeld(Parts):
    """A reservation looks at what was spent, not at what is held."""

    class book(lease.LeaseBook):
        def _hold(self, legs):
            unspent = {name: self.free(name) + self.held(name) for name, _ in legs}
            needs = tuple((name, nanos - unspent[name]) for name, nanos in legs if nanos > unspent[name])
            if needs:
                return lease.Shortfall(needs)
            for account, nanos in legs:
                self._lease(account).held += nanos
            return None


class OneLegNotHeld(Parts):
    """Only the wallet is held, not the budget."""

    class book(lease.LeaseBook):
        def reserve(self, reservation, legs):
            shortfall = super().reserve(reservation, legs[:1])
            if shortfall is None:
                self._reservations[reservation] = (*legs[:1], *((account, 0) for account, _ in legs[1:]))
                for account, _ in legs[1:]:
                    self._lease(account)
            return shortfall


class OneLegHeldAlone(Parts):
    """The legs are held one after the other, and the first is kept when the second does not cover."""

    class book(lease.LeaseBook):
        def _hold(self, legs):
            for leg in legs:
                if (shortfall := super()._hold((leg,))) is not None:
                    return shortfall
            return None


class OneLegNotBooked(Parts):
    """The worker books a charge on the wallet's leg only."""

    class book(lease.LeaseBook):
        def settle(self, reservation, nanos, now_ns=0):
            legs = self._reservations.get(reservation, ())
            paid = super().settle(reservation, nanos, now_ns)
            for account, _ in legs[1:]:
                self._leases[account].spent -= nanos
            return paid


class OneLegNotTransferred(Parts):
    """Ingest moves the wallet's leg only."""

    @staticmethod
    def settle(record, epoch):
        return transfer.settle(record, epoch)[:1]


class SettlesTwice(Parts):
    """A reservation may end again."""

    class book(lease.LeaseBook):
        def settle(self, reservation, nanos, now_ns=0):
            legs = self._reservations.get(reservation)
            paid = super().settle(reservation, nanos, now_ns)
            self._reservations[reservation] = legs
            return paid


class ReturnedNotCumulative(Parts):
    """What the worker says it returned is taken as new each time it is said."""

    @staticmethod
    def reconcile(db_totals, hello_totals):
        hello = tuple(hello_totals)
        found = recover.reconcile(db_totals, hello)
        said_again = tuple((name, said) for name, _, said in hello if said)
        return msgspec.structs.replace(found, returns_to_book=said_again)


class ReturnsForgotten(Parts):
    """Hello's returns are not booked."""

    @staticmethod
    def reconcile(db_totals, hello_totals):
        return recover.Reconciliation((), tuple(db_totals))


class GrantOverwritten(Parts):
    """A late answer overwrites a newer one."""

    class book(lease.LeaseBook):
        def apply_grant(self, account, granted_total):
            self._lease(account).granted = granted_total


class GrantAdded(Parts):
    """A cumulative figure is taken as an increment."""

    class book(lease.LeaseBook):
        def apply_grant(self, account, granted_total):
            self._lease(account).granted += granted_total


class LostGrantForgotten(Parts):
    """Welcome's totals are not adopted."""

    class book(lease.LeaseBook):
        def adopt(self, account, granted_total, returned_total):
            pass


class RecallTakesHeld(Parts):
    """A recall gives away what running calls hold."""

    class book(lease.LeaseBook):
        def recall(self, account, nanos, until_ns, now_ns):
            one = self._lease(account)
            given = max(0, min(nanos, one.free + one.held))
            one.returned += given
            return given


class OwedForgotten(Parts):
    """What is not free at the moment of a recall is never given back."""

    class book(lease.LeaseBook):
        def recall(self, account, nanos, until_ns, now_ns):
            return super().recall(account, max(0, min(nanos, self.free(account))), until_ns, now_ns)


class OwedForever(Parts):
    """A recall is owed without end."""

    class book(lease.LeaseBook):
        def settle(self, reservation, nanos, now_ns=0):
            return super().settle(reservation, nanos, 0)


class TornTailIngested(Parts):
    """The last frame is taken whether it is whole or not."""

    @staticmethod
    def scan(data, start=0, records_max=None):
        found = journal.scan(data, start, records_max)
        if found.state == "clean":
            return found
        rest = data[found.consumed + journal.HEADER_BYTES :]
        payloads = (*found.payloads, rest) if rest else found.payloads
        return journal.Scan(payloads, len(data), "clean")


class ChecksumIgnored(Parts):
    """Frames are read by their length alone."""

    @staticmethod
    def scan(data, start=0, records_max=None):
        payloads, at = [], start
        while at + journal.HEADER_BYTES < len(data):
            after = at + journal.HEADER_BYTES + int.from_bytes(data[at : at + 4], "big")
            if after > len(data):
                break
            payloads.append(data[at + journal.HEADER_BYTES : after])
            at = after
        return journal.Scan(tuple(payloads), at, "clean")


class TornTailDropsAll(Parts):
    """A torn tail makes the reader give up all that stands before it."""

    @staticmethod
    def scan(data, start=0, records_max=None):
        found = journal.scan(data, start, records_max)
        return found if found.state == "clean" else journal.Scan((), len(data), found.state)


class OverspentNotBuried(Parts):
    """Only money left over is moved at burial; an overspent lease stays below zero."""

    @staticmethod
    def bury(balances, epoch, at_ms):
        leases = {name: nanos for name, nanos in balances.items() if nanos > 0}
        return recover.plan_burial(leases, epoch, at_ms)


class WalletsOnlyBuried(Parts):
    """The leases of budgets are forgotten at burial."""

    @staticmethod
    def bury(balances, epoch, at_ms):
        return tuple(
            move
            for move in recover.plan_burial(balances, epoch, at_ms)
            if not any(name.startswith(chart.lease("budget", "")[:-1]) for name in (move.debit, move.credit))
        )


class StaleWorkerLetIn(Parts):
    """A worker whose epoch was buried goes on as if nothing had happened."""

    @staticmethod
    def check_epoch(epoch, buried):
        pass


MISTAKES: tuple[type[Parts], ...] = tuple(Parts.__subclasses__())
