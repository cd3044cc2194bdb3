"""Live configuration and shipped data, compiled into the one value that workers serve by."""

import logging
from collections.abc import Iterable, Mapping

from switchgear.catalog.price import Price
from switchgear.catalog.schema import Model
from switchgear.control.local_settings import MODEL_ALIAS
from switchgear.kernel.config import ChannelConfig, ServerConfig
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import CLIENT_GONE_FINISH_S, LOCAL_CALLS_MAX
from switchgear.link.snapshot import ChannelView, ModelView, Snapshot
from switchgear.store.channels import ChannelRow
from switchgear.vendors.channel import BaseUrlError, ResolvedVendor, offered, resolve
from switchgear.vendors.schema import Vendor
from switchgear.vendors.shipped import Shipped

log = logging.getLogger(__name__)

_NOTHING_KNOWN = ModelFacts()


class SnapshotError(Exception):
    """The configuration can't be served; the message names the channel and says why."""


def compile_snapshot(
    version: int,
    groups: Mapping[str, int],
    channels: Iterable[ChannelRow],
    operator_prices: Iterable[Price],
    data: Shipped,
    environ: Mapping[str, str],
    settings: ServerConfig = ServerConfig(),
    open_groups: tuple[str, ...] = (),
) -> Snapshot:
    """Everything but keys. An enabled channel without a credential is left out, with a line in the log.

    Raises SnapshotError.
    """
    facts = _Facts(data)
    enabled = [row for row in channels if row.enabled]
    views = [view for row in enabled if (view := _channel(row, data, facts, environ)) is not None]
    models: dict[str, ModelView] = {}
    for view in views:
        for name in view.models:
            models.setdefault(name, _model(name, view.vendor, data.models.get(name)))
    book = {**data.prices, **{price.model: data.completed(price) for price in operator_prices}}
    return Snapshot(
        version=version,
        groups=dict(groups),
        channels=tuple(views),
        models=dict(sorted(models.items())),
        prices={name: book[name] for name in models if name in book},
        trusted_proxies=settings.trusted_proxies,
        keeps_responses=settings.responses_retention_days > 0,
        fetch_ports=settings.fetch_ports,
        open_groups=open_groups,
        client_gone_read_s=settings.client_gone_read_s,
    )


class _Facts:
    """What is known of models, each looked up once however many channels serve it."""

    def __init__(self, data: Shipped) -> None:
        self._data = data
        self._known: dict[tuple[str, str], ModelFacts] = {}

    def of(self, vendor: str, models: Iterable[str]) -> dict[str, ModelFacts]:
        """Upstream name → facts, without those of which nothing is known."""
        found: dict[str, ModelFacts] = {}
        for model in models:
            facts = self._known.get((vendor, model))
            if facts is None:
                facts = self._known[vendor, model] = self._data.facts_of(vendor, model)
            if facts != _NOTHING_KNOWN:
                found[model] = facts
        return found


def _channel(row: ChannelRow, data: Shipped, facts: _Facts, environ: Mapping[str, str]) -> ChannelView | None:
    config = row.config
    vendor = data.vendors.get(config.vendor)
    if vendor is None:
        raise SnapshotError(f"channel {config.name!r}: there is no vendor {config.vendor!r}")
    try:
        place = resolve(vendor, config.base_url or "", config.dialects, config.operations)
    except BaseUrlError as fault:
        raise SnapshotError(f"channel {config.name!r}: {fault}") from None
    secrets = _secrets(config, environ)
    if place.auth_header and not secrets and not vendor.embedded:
        log.warning("a channel has no credential and is left out", extra={"channel": config.name})
        return None
    if not offered(vendor, config.dialects, config.operations):
        log.warning("a channel has no operation and is left out", extra={"channel": config.name})
        return None
    models = _models(config, vendor, data)
    return _view(row.id, config, vendor, place, secrets, models, facts.of(vendor.name, models.values()))


def _view(
    id: str,
    config: ChannelConfig,
    vendor: Vendor,
    place: ResolvedVendor,
    secrets: tuple[str, ...],
    models: dict[str, str],
    facts: dict[str, ModelFacts],
) -> ChannelView:
    endpoints = place.endpoints
    if vendor.embedded:  # its address is known only while it runs: its endpoints are paths
        names = offered(vendor, config.dialects, config.operations)
        endpoints = {name: vendor.endpoints[name] for name in names}
    headers = {**dict(place.headers), **dict(config.headers)}
    return ChannelView(
        id=id,
        name=config.name,
        vendor=vendor.name,
        endpoints=endpoints,
        auth_header=place.auth_header,
        auth_prefix=place.auth_prefix,
        secrets=secrets,
        models=models,
        facts=facts,
        groups=config.groups,
        priority=config.priority,
        weight=config.weight,
        headers=tuple(headers.items()),
        auths=place.auths,
        headers_of={
            operation: left
            for operation, fixed in place.headers_of.items()
            if (left := tuple(header for header in fixed if header[0] not in headers))
        },
        drop=place.drop,
        rename=place.rename,
        omit=place.omit,
        refuse=place.refuse,
        asks_usage=place.asks_usage and config.asks_usage,
        responses_state=vendor.responses_state,
        concurrency_max=config.concurrency or (LOCAL_CALLS_MAX if vendor.embedded else 0),
        timeouts=config.timeouts,
        local_model=MODEL_ALIAS if vendor.embedded else "",
        client_gone_read_s=_read_on_s(config),
        doubt_usage=config.doubt_usage,
        only_streams=config.only_streams,
        gives_back_reasoning=config.gives_back_reasoning,
    )


def _read_on_s(config: ChannelConfig) -> float | None:
    """How long its answers are read on after their clients left; None: as long as everywhere."""
    if config.client_gone_read_s is None and config.finish_on_client_gone:
        return CLIENT_GONE_FINISH_S
    return config.client_gone_read_s


def _secrets(config: ChannelConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The operator's keys, and after them the one in the named variable."""
    of_environment = environ.get(config.keys_env, "").strip() if config.keys_env else ""
    return (*config.keys, of_environment) if of_environment else config.keys


def _models(config: ChannelConfig, vendor: Vendor, data: Shipped) -> dict[str, str]:
    """Name for clients → name for the upstream."""
    names = config.models
    if names is None:
        names = tuple(model.id for model in data.models_of(vendor.name))
    own = {model.id: model.upstream_id for model in data.models_of(vendor.name) if model.upstream_id}
    served = {name: config.model_map.get(name) or own.get(name) or name for name in names}
    return {**served, **config.model_map}


def _model(name: str, vendor: str, known: Model | None) -> ModelView:
    if known is None:
        return ModelView(id=name, owned_by=vendor)
    return ModelView(name, known.owned_by, known.created, known.output_tokens_max, known.context_tokens)
