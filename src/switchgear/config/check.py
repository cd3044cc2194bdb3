"""What spans tables: names that must be unique, references that must lead somewhere, credentials, prices."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path as FilePath

import msgspec

from switchgear.catalog.suffix import split_suffix
from switchgear.config.locate import Path
from switchgear.config.parse import Parsed, Sheet, parse, read_file
from switchgear.config.problem import ConfigProblem, Severity, by_line, closest
from switchgear.kernel.config import DEFAULT_GROUP, ChannelConfig, Config, GroupConfig
from switchgear.kernel.dialects import DIALECT_OF
from switchgear.vendors.channel import offered
from switchgear.vendors.schema import Vendor
from switchgear.vendors.shipped import Shipped


class Known(msgspec.Struct, frozen=True):
    """What the data files say, as far as a check needs it."""

    models: Mapping[str, tuple[str, ...]]
    """Vendor → its catalogue models; every vendor has an entry."""
    priced: frozenset[str]
    """Models of the shipped price book."""
    without_url: frozenset[str] = frozenset()
    """Vendors that need a base URL from the operator."""
    without_key: frozenset[str] = frozenset()
    """Vendors that ask for no credential."""
    vendors: Mapping[str, Vendor] = {}
    """By name, for what they speak."""


def known_of(data: Shipped) -> Known:
    """The same facts out of the loaded data files."""
    vendors = data.vendors.values()
    without_url = frozenset(vendor.name for vendor in vendors if not vendor.base_url and not vendor.embedded)
    return Known(
        models={name: tuple(model.id for model in data.models_of(name)) for name in data.vendors},
        priced=frozenset(data.prices),
        without_url=without_url,
        without_key=frozenset(v.name for v in vendors if v.embedded or not v.auth_header),
        vendors=data.vendors,
    )


class Checked(msgspec.Struct, frozen=True):
    """A file read and checked. ``config`` may be used only if ``has_errors(problems)`` is false."""

    config: Config
    problems: tuple[ConfigProblem, ...]
    lines: dict[Path, int] = {}


def load(path: FilePath, environ: Mapping[str, str], known: Known) -> Checked:
    """Reads and checks a file; never raises for what is in it."""
    text, problem = read_file(path)
    if problem is not None:
        return Checked(Config(), (problem,))
    return check(parse(text, str(path)), str(path), environ, known)


def check(parsed: Parsed, file: str, environ: Mapping[str, str], known: Known) -> Checked:
    """The config with the default group in it, and all problems in the order of the file."""
    sheet = Sheet(file, parsed.lines)
    config = _with_default_group(parsed.config)
    _unique(parsed, sheet)
    _references(parsed, sheet)
    for index, channel in zip(parsed.rows.get("channels", ()), config.channels, strict=True):
        _place(channel, index, sheet, environ, known)
        _spoken(channel, index, sheet, known)
        _served(channel, index, sheet, config, known)
    for index, price in zip(parsed.rows.get("prices", ()), config.prices, strict=True):
        if not price.rates:
            hint = 'write input_usd_per_mtok = "…"'
            sheet.note(("prices", index), "names no rate", hint, lacks=rf"prices\[{index}\]\..*")
        elif not {"input_uncached", "calls"} & set(price.rates):
            message = "has no input_usd_per_mtok, so input is free"
            sheet.note(("prices", index), message, severity="warning")
    _called(parsed, sheet, config, known)
    found = [
        problem
        for problem, lacks in zip(sheet.problems, sheet.lacks, strict=True)
        if not _misled(problem, lacks, parsed.problems)
    ]
    return Checked(config, by_line((*parsed.problems, *found)), parsed.lines)


def _misled(problem: ConfigProblem, lacks: str, unread: tuple[ConfigProblem, ...]) -> bool:
    """A finding that something is missing, while a key that may hold it could not be read."""
    keys = [other.key for other in unread if other.severity == "error"]
    if lacks and any(re.fullmatch(lacks, key) for key in keys):
        return True
    return problem.severity == "warning" and any(key.startswith(f"{problem.key}.") for key in keys)


def _with_default_group(config: Config) -> Config:
    if any(group.name == DEFAULT_GROUP for group in config.groups):
        return config
    return msgspec.structs.replace(config, groups=(GroupConfig(DEFAULT_GROUP), *config.groups))


def _unique(parsed: Parsed, sheet: Sheet) -> None:
    config = parsed.config
    for table, attribute, names in (
        ("groups", "name", [group.name for group in config.groups]),
        ("users", "name", [user.name for user in config.users]),
        ("keys", "name", [key.name for key in config.keys]),
        ("keys", "key", [key.key for key in config.keys]),
        ("channels", "name", [channel.name for channel in config.channels]),
        ("prices", "model", [price.model for price in config.prices]),
    ):
        first: dict[str | None, int] = {}
        for index, name in zip(parsed.rows.get(table, ()), names, strict=True):
            if name is not None and name in first:
                shown = "this key" if attribute == "key" else f'"{name}"'
                sheet.note((table, index, attribute), f"{shown} is already used in {table}[{first[name]}]")
            first.setdefault(name, index)


def _references(parsed: Parsed, sheet: Sheet) -> None:
    config = _with_default_group(parsed.config)
    users = [user.name for user in config.users]
    groups = [group.name for group in config.groups]
    for index, key in zip(parsed.rows.get("keys", ()), config.keys, strict=True):
        _refers(sheet, ("keys", index, "user"), key.user, "user", users)
        _refers(sheet, ("keys", index, "group"), key.group, "group", groups)
    for index, channel in zip(parsed.rows.get("channels", ()), config.channels, strict=True):
        for at, group in enumerate(channel.groups):
            _refers(sheet, ("channels", index, "groups", at), group, "group", groups)


def _refers(sheet: Sheet, path: tuple[str | int, ...], name: str, what: str, known: Collection[str]) -> None:
    if name not in known:
        hint = closest(name, known) or f"add a [[{what}s]]"
        message = f'there is no {what} "{name}" in this file'
        sheet.note(path, message, hint, lacks=rf"{what}s(\[\d+\](\.name)?)?")


def _place(
    channel: ChannelConfig, index: int, sheet: Sheet, environ: Mapping[str, str], known: Known
) -> None:
    """Vendor, address and credentials."""
    path = ("channels", index)
    if channel.vendor not in known.models:
        open_vendors = " or ".join(f'"{vendor}"' for vendor in sorted(known.without_url))
        hint = closest(channel.vendor, known.models) or f"use {open_vendors} with a base_url"
        sheet.note((*path, "vendor"), f'there is no vendor "{channel.vendor}"', hint)
    if channel.vendor in known.without_url and channel.base_url is None:
        message = f'the vendor "{channel.vendor}" needs a base_url'
        sheet.note((*path, "vendor"), message, "add base_url", lacks=rf"channels\[{index}\]\.base_url")
    if channel.keys and channel.keys_env is not None:
        sheet.note((*path, "keys_env"), "keys and keys_env exclude each other", "keep one of them")
    if channel.keys_env is not None and not environ.get(channel.keys_env, "").strip():
        sheet.note(
            (*path, "keys_env"),
            f"the environment variable {channel.keys_env} is not set here; "
            "a server without it leaves the channel out",
            closest(channel.keys_env, environ),
            severity="warning",
        )
    wants_credential = channel.vendor in known.models and channel.vendor not in known.without_key
    if wants_credential and not channel.keys and channel.keys_env is None:
        sheet.note(path, "has neither keys nor keys_env, so it is left out", severity="warning")


def _spoken(channel: ChannelConfig, index: int, sheet: Sheet, known: Known) -> None:
    """Dialects that the vendor has a place for, and operations that are some of them."""
    vendor = known.vendors.get(channel.vendor)
    if vendor is None:
        return
    path = ("channels", index)
    spoken = vendor.speaks()
    for at, dialect in enumerate(channel.dialects):
        if dialect not in spoken:
            message = f'the vendor "{vendor.name}" has no place for "{dialect}"'
            sheet.note((*path, "dialects", at), message, f"it speaks {', '.join(spoken)}")
    offers = offered(vendor, channel.dialects)
    severity: Severity = "warning" if set(channel.operations) & set(offers) else "error"
    for at, operation in enumerate(channel.operations):
        if operation not in offers:
            dialect = DIALECT_OF[operation]
            hint = f'add "{dialect}" to its dialects' if operation in vendor.endpoints else ""
            message = f'"{operation}" is not among what the channel speaks'
            sheet.note((*path, "operations", at), message, hint, severity)


def _called(parsed: Parsed, sheet: Sheet, config: Config, known: Known) -> None:
    """Models that keys name and no channel of the file serves."""
    served: set[str] = set()
    for channel in config.channels:
        named = known.models.get(channel.vendor, ()) if channel.models is None else channel.models
        served |= {*named, *channel.model_map}
    for index, key in zip(parsed.rows.get("keys", ()), config.keys, strict=True):
        for at, model in enumerate(key.models if config.channels else ()):
            if model not in served and split_suffix(model, served.__contains__) is None:
                message = f'"{model}" is served by no channel in this file'
                lacks = r"channels(\[\d+\](\.(models|model_map|vendor).*)?)?"
                place = ("keys", index, "models", at)
                sheet.note(place, message, closest(model, served), "warning", lacks)


def _served(channel: ChannelConfig, index: int, sheet: Sheet, config: Config, known: Known) -> None:
    """Models: something is served, what is mapped is served, what is served has a price."""
    path = ("channels", index)
    priced = known.priced | {price.model for price in config.prices}
    if channel.models is None:
        if channel.vendor in known.models and not known.models[channel.vendor]:
            message = f'the vendor "{channel.vendor}" has no catalogue models'
            sheet.note(path, message, 'add models = ["…"]')
        return
    if not channel.models:
        sheet.note((*path, "models"), "is empty: the channel serves nothing", severity="warning")
    for at, model in enumerate(channel.models):
        if _is_strange(model, channel, known):
            sheet.note(
                (*path, "models", at),
                f'"{model}" is no model of the vendor "{channel.vendor}", as far as its catalogue shows',
                closest(model, known.models[channel.vendor]),
                severity="warning",
            )
        if model not in priced:
            sheet.note(
                (*path, "models", at),
                f'"{model}" has no price, so calls to it are refused',
                closest(model, priced) or "add a [[prices]]",
                severity="warning",
            )
    for model in channel.model_map:
        if model not in channel.models and model not in priced:
            sheet.note(
                (*path, "model_map", model),
                f'"{model}" has no price, so calls to it are refused',
                closest(model, channel.models) or "add a [[prices]]",
                severity="warning",
            )


def _is_strange(model: str, channel: ChannelConfig, known: Known) -> bool:
    """A shipped model, but of other vendors only: one that nobody ships may be new, or the operator's own."""
    own = known.models.get(channel.vendor, ())
    if not own or model in own or model in channel.model_map or channel.base_url is not None:
        return False
    return any(model in models for models in known.models.values())
