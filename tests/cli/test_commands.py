"""The command line in this process: what it prints, how it exits, what it writes.

Without these, a script could take a failure for success, or an operator could read a traceback.
"""

import json
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from switchgear.cli.app import COMMANDS, load, run
from switchgear.cli.commands.apply import read_config
from switchgear.cli.commands.serve import prepare, settings, started
from switchgear.kernel.charge import Charge
from switchgear.kernel.config import ChannelConfig, Config, GroupConfig, KeyConfig, UserConfig
from switchgear.kernel.home import Home
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import Timings, UsageRecord
from switchgear.serve.run import say_welcome
from switchgear.store.admins import check_admin
from switchgear.store.db import open_database
from switchgear.store.epochs import open_epoch
from switchgear.store.ingest import ingest
from switchgear.store.tables import accounts, keys
from switchgear.store.unshown import Unshown

FILE = """
[[users]]
name = "acme"
balance_usd = "10"
[[keys]]
name = "ci"
user = "acme"
quota_usd = "5"
[[channels]]
name = "main"
vendor = "compatible"
base_url = "http://127.0.0.1:9/v1"
keys = ["sk-upstream-secret"]
models = ["m", "free-rider"]
[[prices]]
model = "m"
input_usd_per_mtok = "1.75"
output_usd_per_mtok = "14"
"""


class Outcome:
    """Exit code and text of one command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def sg(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Runs a command on a data folder of its own."""
    monkeypatch.setenv("SWITCHGEAR_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("SWITCHGEAR_MASTER_KEY", raising=False)

    def call(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            run(list(arguments))
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f.toml"
    path.write_text(FILE)
    return path


def test_every_command_loads_and_has_help(sg) -> None:
    for name in COMMANDS:
        assert load(name).help, name
        assert sg(name, "--help").code == 0


def every_command() -> Iterator[tuple[str, Any]]:
    for name in COMMANDS:
        command = load(name)
        subs = getattr(command, "commands", None)
        yield from ((f"{name} {sub}", found) for sub, found in subs.items()) if subs else [(name, command)]


def test_the_examples_of_every_command_can_be_typed() -> None:
    for name, command in every_command():
        examples = [line.strip() for line in (command.epilog or "").splitlines() if "switchgear" in line]
        assert examples, name
        for example in examples:
            assert example.startswith(f"switchgear {name}"), example
            arguments = shlex.split(example)[1 + len(name.split()) :]
            command.make_context(name, arguments)  # raises for an option or a value that there is not


def test_check_tells_all_problems_and_exits_with_1(sg, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[server]\nprot = 1\n[[users]]\nname = "a"\nbalance_usd = 5\n')
    told = sg("check", str(bad))
    assert told.code == 1
    assert told.err.splitlines() == [
        f'{bad}:2: server.prot: is not a key of [server] (did you mean "port"?)',
        f"{bad}:5: users[0].balance_usd: money and ratios are quoted decimals, not an integer "
        '(write "5" with quotes)',
    ]
    as_json = [json.loads(line) for line in sg("check", str(bad), "--json").out.splitlines()]
    assert [problem["line"] for problem in as_json] == [2, 5]


def test_check_shows_where_a_setting_comes_from(sg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good.toml"
    good.write_text("[server]\nport = 81\nworkers = 3\n")
    monkeypatch.setenv("SWITCHGEAR_SERVER_WORKERS", "4")
    told = sg("check", str(good), "--origins", "--json").out.splitlines()
    lines = {line["key"]: line for line in map(json.loads, told)}
    assert (lines["server.port"]["value"], lines["server.port"]["origin"]) == (81, f"{good}:2")
    assert lines["server.workers"]["value"] == 4
    assert lines["server.workers"]["origin"] == "environment SWITCHGEAR_SERVER_WORKERS"
    assert lines["server.host"]["origin"] == "default"
    monkeypatch.setenv("SWITCHGEAR_SERVER_WORKERS", "99")
    told = sg("check", str(good))
    assert told.code == 1
    assert "SWITCHGEAR_SERVER_WORKERS: must be between 1 and 16" in told.err


def test_apply_writes_once_prints_the_made_key_once_and_warns(sg, file: Path) -> None:
    first = sg("apply", str(file))
    assert first.code == 0
    assert first.out.count("sk-") == 1
    assert '"free-rider" has no price' in first.err
    assert "sk-upstream-secret" not in first.out + first.err
    second = sg("apply", str(file))
    assert (second.code, second.out) == (0, "Nothing to change.\n")
    users = [json.loads(line) for line in sg("users", "list", "--json").out.splitlines()]
    assert [(user["name"], user["balance_usd"]) for user in users] == [("acme", "10")]


def test_apply_of_a_broken_file_writes_nothing(sg, file: Path, tmp_path: Path) -> None:
    file.write_text(FILE.replace('"10"', "10"))
    assert sg("apply", str(file)).code == 1
    assert not (tmp_path / "data").exists()


def test_a_key_is_shown_at_its_making_and_masked_ever_after(sg, file: Path) -> None:
    sg("apply", str(file))
    made = json.loads(sg("keys", "create", "two", "--user", "acme", "--quota-usd", "1.5", "--json").out)
    assert made["key"].startswith("sk-")
    listed = sg("keys", "list").out
    assert made["key"] not in listed
    assert f"sk-…{made['key'][-4:]}" in listed
    again = sg("keys", "create", "two", "--user", "acme")
    assert (again.code, again.err) == (1, "switchgear: key 'two': already exists\n")


def test_keys_are_disabled_and_enabled_by_name(sg, file: Path) -> None:
    sg("apply", str(file))
    assert sg("keys", "disable", "ci").out == "ci: disabled\n"
    assert sg("keys", "disable", "ci").out == "ci: already disabled\n"
    status = json.loads(sg("keys", "list", "--json").out)["status"]
    assert status == "key_disabled"
    assert sg("keys", "enable", "ci").out == "ci: enabled\n"
    assert sg("keys", "disable", "none").code == 1


def test_users_are_disabled_and_enabled_by_name(sg, file: Path) -> None:
    sg("apply", str(file))
    assert sg("users", "disable", "acme").out == "acme: disabled\n"
    assert sg("users", "disable", "acme").out == "acme: already disabled\n"
    assert json.loads(sg("keys", "list", "--json").out)["status"] == "user_disabled"
    assert sg("users", "enable", "acme").out == "acme: enabled\n"
    assert sg("users", "enable", "none").code == 1


def test_a_key_is_made_with_every_limit_that_a_file_can_name(sg, file: Path) -> None:
    sg("apply", str(file))
    fine_tuned = "ft:" + "m" * 100
    limits = ("--rpm", "1", "--tpm", "2", "--concurrency", "3", "--expires-at", "2030-01-01T00:00:00Z")
    lists = ("--model", fine_tuned, "--allow-ip", "10.0.0.0/8", "--quota-usd", "1")
    assert sg("keys", "create", "two", "--user", "acme", *limits, *lists).code == 0
    (made,) = [key for key in map(json.loads, sg("keys", "list", "--json").out.splitlines()) if key["rpm"]]
    assert (made["rpm"], made["tpm"], made["concurrency"]) == (1, 2, 3)
    assert (made["expires_at"], made["models"]) == ("2030-01-01T00:00:00Z", [fine_tuned])
    assert (made["allow_ips"], made["quota_left_usd"]) == (["10.0.0.0/8"], "1")


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "k", "--allow-ip", "nonsense"),
        ("keys", "create", "k", "--expires-at", "soon"),
        ("keys", "create", "k", "--expires-at", "1960-01-01"),
        ("keys", "create", "k", "--quota-usd", "-1"),
        ("keys", "create", " k"),
        ("users", "topup", "nobody", "1"),
        ("channels", "test", "none"),
        ("usage", "--end-state", "nonsense"),
        ("usage", "--by", "nonsense"),
        ("usage", "--key", "nobody"),
        ("usage", "--by", "model", "--user", "nobody"),
        ("check", "/nonexistent/file.toml"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_1(sg, file: Path, arguments: tuple[str, ...]) -> None:
    sg("apply", str(file))
    told = sg(*arguments)
    assert told.code == 1
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("keys", "create"),
        ("usage", "--limit", "0"),
        ("usage", "--since", "3x"),
        ("usage", "--since", "99999999999999999d"),
        ("usage", "--before", "nonsense"),
        ("keys", "create", "k", "--rpm", "100000000000"),
        ("check",),
    ],
)
def test_wrong_use_exits_with_2(sg, file: Path, arguments: tuple[str, ...]) -> None:
    assert sg(*arguments).code == 2


def test_a_top_up_with_the_same_reference_is_booked_once(sg, file: Path) -> None:
    sg("apply", str(file))
    for _ in range(2):
        told = json.loads(sg("users", "topup", "acme", "2.5", "--ref", "r1", "--json").out)
        assert told["balance_nanos"] == 12_500_000_000


def test_models_show_what_can_be_called_and_what_lacks_a_price(sg, file: Path) -> None:
    sg("apply", str(file))
    told = sg("models", "--json")
    offers = {offer["model"]: offer for offer in map(json.loads, told.out.splitlines())}
    rates = {"input_uncached": 1_750_000_000, "output_text": 14_000_000_000}
    assert offers["m"]["nanos_per_million"] == rates
    assert offers["free-rider"]["price_id"] is None
    assert "Refused until priced: free-rider" in sg("models").err


def test_channels_are_disabled_and_enabled_by_name(sg, file: Path) -> None:
    sg("apply", str(file))
    name = json.loads(sg("channels", "list", "--json").out.splitlines()[0])["name"]
    assert sg("channels", "disable", name).out == f"{name}: disabled\n"
    assert sg("channels", "disable", name).out == f"{name}: already disabled\n"
    assert not json.loads(sg("channels", "list", "--json").out.splitlines()[0])["enabled"]
    assert sg("channels", "enable", name).out == f"{name}: enabled\n"
    assert json.loads(sg("channels", "list", "--json").out.splitlines()[0])["enabled"]
    assert sg("channels", "disable", "none").code == 1


def test_channels_are_listed_without_their_secrets(sg, file: Path) -> None:
    sg("apply", str(file))
    for told in (sg("channels", "list"), sg("channels", "list", "--json")):
        assert "sk-…cret" in told.out
        assert "upstream-secret" not in told.out


def test_a_channel_that_does_not_answer_fails_its_test(sg, file: Path) -> None:
    sg("apply", str(file))
    told = sg("channels", "test", "--json")
    probe = json.loads(told.out)
    assert told.code == 1
    assert (probe["channel"], probe["status"]) == ("main", 0)
    assert "connect" in probe["error"]


def test_audit_is_clean_until_a_balance_is_touched(sg, file: Path, tmp_path: Path) -> None:
    sg("apply", str(file))
    assert sg("audit").code == 0
    assert sg("audit", "--json").out == ""
    database = open_database(Home(tmp_path / "data").database)
    touched = accounts.update().values(balance=accounts.c.balance + 1)
    database.write(lambda connection: connection.execute(touched))
    database.close()
    told = sg("audit", "--json")
    assert told.code == 1
    assert all(json.loads(line)["kind"] for line in told.out.splitlines())


def test_what_cannot_be_read_is_told_in_one_line_too(sg, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sg("apply", str(file))
    monkeypatch.setattr("os.access", lambda *_, **__: False)  # as for a user without the right; root has all
    assert sg("check", str(file)).code == 0
    assert sg("keys", "list").code == 0


def test_a_backup_is_a_whole_database(sg, file: Path, tmp_path: Path) -> None:
    sg("apply", str(file))
    target = tmp_path / "copy.db"
    assert sg("backup", str(target)).code == 0
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.read_bytes().startswith(b"SQLite format 3")
    assert sg("backup", str(target)).code == 1


def test_reading_a_folder_without_data_says_so_and_makes_nothing(sg, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    told = sg("keys", "list")
    assert told.code == 1
    assert "holds no Switchgear data" in told.err
    assert list((tmp_path / "data").iterdir()) == []


def test_usage_lists_records_newest_first_with_names_and_every_figure(sg, file: Path, tmp_path: Path) -> None:
    sg("apply", str(file))
    key = json.loads(sg("keys", "list", "--json").out)
    user = json.loads(sg("users", "list", "--json").out)
    channel = json.loads(sg("channels", "list", "--json").out)
    records = [
        UsageRecord(
            request_id=f"{n:032x}",
            at_ms=1_700_000_000_000 + n,
            user_id=user["id"],
            key_id=key["id"],
            group="default",
            dialect="openai",
            operation="openai_chat",
            model="m",
            channel=channel["id"],
            end_state="complete" if n else "client_gone",
            usage_source="reported",
            status=200,
            usage=Usage(input_uncached=10, output_text=n),
            charge=Charge(1_000_000 * n),
            wallet=f"wallet:{user['id']}",
            timings=Timings(total_us=2_000),
        )
        for n in range(3)
    ]
    database = open_database(Home(tmp_path / "data").database)
    database.write(lambda connection: open_epoch(connection, "e", 0, 1))
    database.write(lambda connection: ingest(connection, "e", records, 0, 100))
    database.close()
    told = [json.loads(line) for line in sg("usage", "--json", "--limit", "2").out.splitlines()]
    assert [record["request_id"] for record in told] == [f"{n:032x}" for n in (2, 1)]
    page = sg("usage", "--json", "--limit", "2", "--before", told[-1]["request_id"]).out.splitlines()
    assert [json.loads(line)["request_id"] for line in page] == [f"{0:032x}"]
    for prefix in ("", "req_", "chatcmpl-", "resp_"):  # as clients know it
        (one,) = sg("usage", "--json", "--request-id", f"{prefix}{1:032x}").out.splitlines()
        assert json.loads(one)["request_id"] == f"{1:032x}"
    shown = {"key": "ci", "user": "acme", "channel": "main", "charge_nanos": 2_000_000}
    assert shown.items() <= told[0].items()
    assert (told[0]["usage"]["output_text"], told[0]["usage"]["reasoning"]) == (2, 0)
    assert told[0]["timings"]["total_us"] == 2_000
    gone = sg("usage", "--end-state", "client_gone", "--key", "ci", "--json").out.splitlines()
    assert [json.loads(line)["request_id"] for line in gone] == [f"{0:032x}"]
    assert sg("usage", "--since", "1h", "--json").out == ""
    assert "client_gone" in sg("usage").out
    (by_key,) = map(json.loads, sg("usage", "--by", "key", "--json").out.splitlines())
    assert (by_key["of"], by_key["requests"], by_key["nanos"]) == ("ci", 3, 3_000_000)


def test_a_start_without_a_file_is_prepared_once_and_leaves_a_set_up_store_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    first = prepare(tmp_path / "a", None)
    assert [name for name, _ in first.unshown.keys] == ["default"]
    assert first.unshown.admin is not None
    assert prepare(tmp_path / "a", None).unshown == first.unshown  # a start that was cut off showed nothing
    say_welcome("shown", Home(tmp_path / "a"))
    again = prepare(tmp_path / "a", None)
    assert (again.unshown, again.changes) == (Unshown(), ())
    shown = started(tmp_path / "a", "127.0.0.1", 1, 2, again)
    assert shown.from_environment == (("openai", "OPENAI_API_KEY"),)
    assert "smollm2-135m-instruct" in shown.models
    assert len(shown.models) > 1
    monkeypatch.delenv("OPENAI_API_KEY")
    assert started(tmp_path / "a", "127.0.0.1", 1, 2, again).models == ("smollm2-135m-instruct",)
    prepare(tmp_path / "b", Config(users=(UserConfig("acme"),)))
    assert prepare(tmp_path / "b", None).changes == ()


def test_what_is_no_longer_in_force_is_not_shown_later(sg, tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = dict(prepare(data, None).unshown.keys)["default"]
    assert len(sg("users", "reset-password", "admin").out.strip()) == 20
    assert prepare(data, None).unshown == Unshown((("default", key),))
    assert key.encode() not in Home(data).unshown.read_bytes()
    with closing(open_database(Home(data).database)) as database:
        database.write(lambda connection: connection.execute(keys.delete()))
    assert prepare(data, Config()).unshown == Unshown()


def test_the_password_of_an_administrator_is_made_anew(sg, tmp_path: Path) -> None:
    first = prepare(tmp_path / "data", None).unshown.admin
    told = sg("users", "reset-password", "admin", "--json")
    password = json.loads(told.out)["password"]
    with closing(open_database(Home(tmp_path / "data").database)) as database:
        assert database.read(lambda connection: check_admin(connection, "admin", password))
        assert first is not None
        assert not database.read(lambda connection: check_admin(connection, *first))
    refused = sg("users", "reset-password", "default")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "switchgear: there is no administrator 'default'; known: admin\n"


def test_a_key_that_apply_made_is_shown_by_the_next_start_if_apply_could_not(
    sg, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("switchgear.cli.commands.apply._show", broken_pipe)
        with pytest.raises(BrokenPipeError):
            run(["apply", str(file)])
    assert [name for name, _ in prepare(tmp_path / "data", Config()).unshown.keys] == ["ci"]
    say_welcome("shown", Home(tmp_path / "data"))
    file.write_text(FILE.replace('"ci"', '"ci2"'))
    assert "key 'ci2', shown only now: sk-" in sg("apply", str(file)).out
    assert prepare(tmp_path / "data", Config()).unshown.keys == ()


def broken_pipe(*_: object, **__: object) -> None:
    raise BrokenPipeError


def test_the_first_call_that_is_shown_is_one_that_can_be_made(tmp_path: Path) -> None:
    made = (
        KeyConfig("a-expired", "acme", expires_at_ms=1),
        KeyConfig("b-elsewhere", "acme", allow_ips=("10.0.0.0/8",)),
        KeyConfig("c-other-group", "acme", group="empty"),
        KeyConfig("d-embeddings", "acme", models=("text-embedding-3-small",)),
        KeyConfig("e-fine", "acme", models=("gpt-5.2",)),
    )
    served = ("gpt-4o-mini", "gpt-5.2", "text-embedding-3-small", "unpriced")
    config = Config(
        groups=(GroupConfig("default"), GroupConfig("empty")),
        users=(UserConfig("acme"),),
        keys=made,
        channels=(ChannelConfig("c", "openai", keys=("sk-up",), models=served),),
    )
    first = prepare(tmp_path, config)
    say_welcome("shown", Home(tmp_path))
    key = dict(first.unshown.keys)["e-fine"]
    assert started(tmp_path, "127.0.0.1", 1, 2, first).example == (key, "gpt-5.2")
    again = prepare(tmp_path, config)
    assert started(tmp_path, "127.0.0.1", 1, 2, again).example == ("$SWITCHGEAR_KEY", "gpt-5.2")
    assert started(tmp_path / "b", "127.0.0.1", 1, 2, prepare(tmp_path / "b", Config())).example is None


def test_a_server_starts_with_what_file_environment_and_flags_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCHGEAR_SERVER_HOST", "::1")
    monkeypatch.setenv("SWITCHGEAR_SERVER_LOG_LEVEL", "info")
    file = tmp_path / "f.toml"
    file.write_text('[server]\nport = 0\nworkers = 3\ntrusted_proxies = ["10.0.0.0/8"]\ndrain_s = 5\n')
    server = settings(read_config(file), {"workers": 4, "port": None})
    assert (server.host, server.port, server.workers, server.drain_s) == ("::1", 0, 4, 5.0)
    assert server.trusted_proxies == ("10.0.0.0/8",)
