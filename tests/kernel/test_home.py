"""Without this the relay would start on a folder where others can put a database or keys of their own."""

from pathlib import Path

import pytest

from switchgear.cli.opened import store_of
from switchgear.cli.output import Failure
from switchgear.kernel.home import Home
from switchgear.serve.start import StartError, claim


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "data")
    home.create()
    home.database.touch(0o600)
    return home


def test_a_folder_of_our_own_is_fine(home: Home) -> None:
    assert home.who_else_writes() == ""
    home.path.chmod(0o755)
    assert home.who_else_writes() == ""


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707, 0o720, 0o1777])
@pytest.mark.parametrize("place", ["path", "secrets", "run", "journals", "database"])
def test_what_others_can_write_is_refused_with_the_remedy(home: Home, place: str, mode: int) -> None:
    path: Path = getattr(home, place)
    path.chmod(mode)
    why = home.who_else_writes()
    assert f"chmod go-w {path}" in why
    with pytest.raises(StartError, match="not safe"):
        claim(home)
    with pytest.raises(Failure, match="not safe"), store_of(home.path):
        pass
    path.chmod(mode & ~0o022)
    assert home.who_else_writes() == ""


def test_a_folder_that_everybody_can_replace_is_refused(home: Home) -> None:
    home.path.parent.chmod(0o777)
    assert "can replace" in home.who_else_writes()
    home.path.parent.chmod(0o1777)
    assert home.who_else_writes() == ""


def test_a_folder_of_somebody_else_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = home.path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1000)
    assert ("belongs to another user" in home.who_else_writes()) == (owner != 0)
