"""Operators' logins. Without this: guessing is as fast as the network, it takes the threads of the database
from everybody, or it shuts the operator out."""

import asyncio
import threading

import pytest

from switchgear.control import logins as module
from switchgear.control.logins import Failures, Logins
from switchgear.control.threads import StoreThreads
from switchgear.kernel.clock import FakeClock
from switchgear.kernel.limits import LOGIN_CHECKS_MAX, LOGIN_FAILURES_FREE, LOGIN_FORGET_S, LOGIN_SOURCES_MAX
from switchgear.link.protocol import CheckAdmin, Failed, Ok, Throttled
from switchgear.store.admins import ensure_admin, set_admin_password

TOKEN = "ab" * 32
HOME, AWAY = "10.0.0.1", "203.0.113.9"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def password(site) -> str:
    _, password = site.database.write(ensure_admin)
    return password


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that were worked on."""
    seen: list[str] = []

    def quick(known: str | None, password: str) -> bool:
        seen.append(password)
        return known is not None and real(known, password)

    real = module.is_password
    monkeypatch.setattr(module, "is_password", quick)
    return seen


@pytest.fixture
def logins(site, clock: FakeClock):
    store = StoreThreads(site.database)
    made = Logins(store, clock, TOKEN)
    yield made
    made.close()
    store.close()


async def fail(logins: Logins, times: int, name: str = "admin", address: str = AWAY) -> object:
    answer: object = None
    for at in range(times):
        answer = await logins.check(CheckAdmin(name, f"wrong {at}", address))
    return answer


async def test_a_right_login_passes_and_is_known_again_without_the_work(logins, password, checked, clock):
    for _ in range(5):
        assert await logins.check(CheckAdmin("admin", password, HOME)) == Ok()
    assert checked == [password]
    clock.advance_ms(301_000)
    assert await logins.check(CheckAdmin("admin", password, HOME)) == Ok()
    assert checked == [password] * 2


async def test_a_login_is_forgotten_when_its_password_changes(site, logins, password):
    assert await logins.check(CheckAdmin("admin", password, HOME)) == Ok()
    site.database.write(lambda c: set_admin_password(c, "admin", "another"))
    assert isinstance(await logins.check(CheckAdmin("admin", password, HOME)), Failed)


async def test_an_address_waits_ever_longer_whatever_account_it_tries(logins, password, checked, clock):
    for at in range(LOGIN_FAILURES_FREE):
        assert isinstance(await fail(logins, 1, f"name {at}"), Failed)
    assert await fail(logins, 1, "one more") == Throttled(1)
    assert len(checked) == LOGIN_FAILURES_FREE
    clock.advance_ms(1_000)
    assert isinstance(await fail(logins, 1), Failed)
    assert await fail(logins, 1) == Throttled(2)
    assert await logins.check(CheckAdmin("admin", password, HOME)) == Ok()


async def test_an_account_waits_whatever_address_tries_it_but_for_those_that_know_it(
    logins, password, checked, clock
):
    assert await logins.check(CheckAdmin("admin", password, HOME)) == Ok()
    for at in range(LOGIN_FAILURES_FREE):
        await fail(logins, 1, address=f"198.51.100.{at}")
    assert isinstance(await fail(logins, 1, address="198.51.100.99"), Throttled)
    clock.advance_ms(301_000)  # what was right is not remembered any more
    for at in range(10):
        await fail(logins, 1, address=f"198.51.101.{at}")
    assert await logins.check(CheckAdmin("admin", password, HOME)) == Ok()


async def test_many_at_once_are_no_more_than_one_after_another(logins, password, checked):
    answers = await asyncio.gather(*(fail(logins, 1) for _ in range(100)))
    assert len(checked) <= LOGIN_FAILURES_FREE
    assert sum(isinstance(answer, Throttled) for answer in answers) >= 95


async def test_the_queue_of_passwords_is_short(logins, password, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(module, "is_password", lambda known, password: not go_on.wait(10))
    asked = [
        asyncio.create_task(fail(logins, 1, f"name {at}", f"198.51.100.{at}"))
        for at in range(LOGIN_CHECKS_MAX * 3)
    ]
    turned_away, working = await asyncio.wait(asked, timeout=0.3)
    assert (len(turned_away), len(working)) == (LOGIN_CHECKS_MAX * 2, LOGIN_CHECKS_MAX)
    assert {task.result() for task in turned_away} == {Throttled(1)}
    go_on.set()
    await asyncio.gather(*working)


async def test_key_lookups_do_not_wait_for_passwords(site, logins, password):
    """Two dozen at once kept them for five seconds."""
    storm = [asyncio.create_task(fail(logins, 1, f"n{at}", f"a{at}")) for at in range(24)]
    await asyncio.sleep(0)
    async with asyncio.timeout(0.5):
        await logins._store.read(lambda connection: None)
    await asyncio.gather(*storm)


async def test_a_right_token_never_waits_and_a_wrong_one_does(logins, checked):
    for at in range(LOGIN_FAILURES_FREE):
        assert isinstance(await logins.check(CheckAdmin("", "", AWAY, f"{at}")), Failed)
    assert await logins.check(CheckAdmin("", "", AWAY, "x")) == Throttled(1)
    assert await logins.check(CheckAdmin("", "", AWAY, TOKEN)) == Ok()
    assert checked == []


def test_failures_are_forgotten_in_time_and_bounded_in_number() -> None:
    failures, now_ns = Failures(), 10**18
    for _ in range(50):
        failures.count("a", now_ns)
    assert failures.wait_s("a", now_ns) == 60
    later_ns = now_ns + int(LOGIN_FORGET_S * 1e9) + 1
    failures.count("a", later_ns)
    assert failures.wait_s("a", later_ns) == 0
    for at in range(LOGIN_SOURCES_MAX + 10):
        failures.count(f"s{at}", now_ns)
    assert len(failures._found) == LOGIN_SOURCES_MAX
