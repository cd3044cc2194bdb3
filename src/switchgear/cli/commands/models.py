"""``switchgear models``: what can be called now, and its price."""

from typing import Annotated

import typer

from switchgear.catalog.price import Price
from switchgear.cli.offers import Offer, offers
from switchgear.cli.opened import store_of, vault_of
from switchgear.cli.options import DATA_DEFAULT, Data, Json, example, new_app
from switchgear.cli.output import print_json, print_table
from switchgear.kernel.money import usd_from_nanos
from switchgear.store.channels import list_channels
from switchgear.store.prices import list_prices
from switchgear.vendors.shipped import shipped

app = new_app()


@app.command(epilog=example("switchgear models --group default"))
def models(
    data: Data = DATA_DEFAULT,
    group: Annotated[str | None, typer.Option(help="Only what this group may call.")] = None,
    json: Json = False,
) -> None:
    """List the models that can be called now.

    Prices are in US dollars per million tokens, before the group's ratio. Channels whose credential lies in
    the server's environment are taken to have it.
    """
    with store_of(data) as database:
        vault = vault_of(data)
        channels, overrides = database.read(
            lambda connection: (list_channels(connection, vault), list_prices(connection))
        )
    # The server's environment is not seen from here.
    environ = {row.config.keys_env: "set" for row in channels if row.config.keys_env}
    found = offers(channels, overrides, shipped(), environ)
    found = [offer for offer in found if group is None or group in offer.groups]
    if json:
        for offer in found:
            print_json(_object(offer))
        return
    print_table(
        ("model", "input", "cache_read", "output", "channels", "groups"),
        [
            (offer.model, *_figures(offer.price), ",".join(offer.channels), ",".join(offer.groups))
            for offer in found
        ],
        ("groups", "channels", "cache_read"),
    )
    missing = [offer.model for offer in found if offer.price is None]
    if missing:
        typer.echo(f"Refused until priced: {', '.join(missing)}", err=True)


def _figures(price: Price | None) -> tuple[str, str, str]:
    if price is None:
        return "unpriced", "", ""
    texts = [_usd(price, unit) for unit in ("input_uncached", "cache_read", "output_text")]
    return texts[0], texts[1], texts[2]


def _usd(price: Price, unit: str) -> str:
    rate = price.rates.get(unit)
    return "" if rate is None else usd_from_nanos(rate)


def _object(offer: Offer) -> dict[str, object]:
    price = offer.price
    return {
        "model": offer.model,
        "channels": offer.channels,
        "groups": offer.groups,
        "price_id": price.id if price else None,
        "nanos_per_million": price.rates if price else None,
        "tiers": price.tiers if price else (),
        "source": price.source if price else None,
    }
