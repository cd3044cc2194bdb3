"""Finds vendors whose key already lies in the environment, so that a first start has channels by itself."""

from collections.abc import Mapping

from switchgear.vendors.schema import Vendor


def channels_from_env(environ: Mapping[str, str], vendors: Mapping[str, Vendor]) -> list[tuple[str, str]]:
    """(vendor name, variable name) for each vendor with a key in ``environ``, sorted by vendor.

    The first of a vendor's variables that is set and not blank counts; the value itself is never returned.
    """
    found: list[tuple[str, str]] = []
    for name in sorted(vendors):
        for variable in vendors[name].env:
            if environ.get(variable, "").strip():
                found.append((name, variable))
                break
    return found
