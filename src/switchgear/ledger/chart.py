"""Names of accounts: who may hold money, as strings that sort, store and print the same everywhere.

source:<kind>           where money comes from (config, topup, quota …); below zero by what it gave
wallet:<user id>        what a user can spend
budget:key:<key id>     what a key may spend of it
lease:<account>:<epoch> what one worker life may spend of a wallet or budget
spent:<budget>          sink of a budget; the wallet's money goes to revenue, a budget is only a count
revenue                 sink of wallets
"""

from typing import Literal

AccountKind = Literal["source", "wallet", "budget", "lease", "spent", "revenue"]

revenue = "revenue"
_KINDS: dict[str, AccountKind] = {
    "source": "source",
    "wallet": "wallet",
    "budget": "budget",
    "lease": "lease",
    "spent": "spent",
}
_LEASE = "lease:"


class BadAccount(ValueError):
    """A string that is not the name of an account."""


def wallet(user_id: str) -> str:
    return f"wallet:{user_id}"


def budget(key_id: str) -> str:
    return f"budget:key:{key_id}"


def lease(account: str, epoch: str) -> str:
    """The lease on ``account`` of the worker life ``epoch``. An epoch has no colon in it."""
    return f"lease:{account}:{epoch}"


def source(kind: str) -> str:
    return f"source:{kind}"


def spent(budget_account: str) -> str:
    return f"spent:{budget_account}"


def kind_of(account: str) -> AccountKind:
    """The kind of an account. Raises BadAccount on any other string."""
    if account == revenue:
        return "revenue"
    prefix, colon, rest = account.partition(":")
    kind = _KINDS.get(prefix)
    if kind is None or not colon or not rest:
        raise BadAccount(f"{account!r} is not the name of an account")
    return kind


def leased_account(lease_name: str) -> tuple[str, str]:
    """``lease:<account>:<epoch>`` → (account, epoch). Raises BadAccount on any other string."""
    if lease_name.startswith(_LEASE):
        account, colon, epoch = lease_name[len(_LEASE) :].rpartition(":")
        if account and epoch and colon:
            return account, epoch
    raise BadAccount(f"{lease_name!r} is not the name of a lease")
