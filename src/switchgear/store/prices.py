"""Prices that an operator set; they go before the shipped price book."""

from sqlalchemy import Connection, select

from switchgear.catalog.price import Price, Tier, with_id
from switchgear.kernel.config import PriceConfig
from switchgear.store.rows import change_lines, put_row
from switchgear.store.tables import prices

SOURCE = "operator"


def put_price(connection: Connection, price: PriceConfig) -> tuple[str, ...]:
    """Makes or changes the price of one model; old charges keep theirs. Returns what changed, in words."""
    tiers = [[tier.above_input_tokens, tier.rates] for tier in price.tiers]
    wanted = {"model": price.model, "rates": price.rates, "tiers": tiers}
    return change_lines("price", price.model, put_row(connection, prices, prices.c.model, wanted, {}))


def list_prices(connection: Connection) -> list[Price]:
    """All operator prices by model, with their content hashes."""
    rows = connection.execute(select(prices).order_by(prices.c.model))
    return [
        with_id(
            Price(
                model=row.model,
                rates=row.rates,
                tiers=tuple(Tier(above, rates) for above, rates in row.tiers),
                source=SOURCE,
            )
        )
        for row in rows
    ]
