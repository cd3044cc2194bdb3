"""Sources that hosts which search by themselves tell beside the choices, where OpenAI has annotations.

Perplexity and xAI list addresses as ``citations``, Perplexity and Baidu pages as ``search_results``, Zhipu as
``web_search``, Tencent within ``search_info``.
"""

from typing import Any

from switchgear.wire.neutral.request import Citation

_KEYS = ("search_results", "search_info", "web_search", "citations")
"""Those that know titles first: a host may say the same twice."""
_KNOWN = frozenset(_KEYS)


def sources_beside(found: dict[str, Any]) -> list[Citation]:
    """The sources in a chunk or a whole reply, in the order in which its text numbers them."""
    if _KNOWN.isdisjoint(found):
        return []
    for key in _KEYS:
        value = found.get(key)
        listed = value.get("search_results") if isinstance(value, dict) else value
        sources = [_source(item) for item in listed] if isinstance(listed, list) else []
        if kept := [source for source in sources if source.url]:
            return kept
    return []


def _source(item: Any) -> Citation:
    """A page, or its address alone."""
    if isinstance(item, str):
        return Citation(item)
    fields = item if isinstance(item, dict) else {}
    url, title = fields.get("url") or fields.get("link"), fields.get("title")
    return Citation(url if isinstance(url, str) else "", title if isinstance(title, str) else "")
