"""Sources of an answer: Google's grounding and the neutral citations, both ways.

Google counts bytes of UTF-8, from the start of a part in a whole answer and of the whole text in a stream;
citations count code points of the whole text.
"""

from typing import Any

from msgspec import Raw

from switchgear.wire.framing.splice import any_of
from switchgear.wire.gemini_generate.citations import to_bytes, to_code_points
from switchgear.wire.gemini_generate.frames import is_given
from switchgear.wire.gemini_generate.values import Json, text
from switchgear.wire.neutral.request import Citation


def queries_of(found: Any) -> tuple[str, ...]:
    """What was searched for."""
    queries = found.get("webSearchQueries") if isinstance(found, dict) else None
    return tuple(query for query in queries if isinstance(query, str)) if isinstance(queries, list) else ()


def sources_of(found: Any) -> list[Citation]:
    """What was found: one for each chunk, in order, so that supports can name them by place."""
    chunks = found.get("groundingChunks") if isinstance(found, dict) else None
    sources = []
    for chunk in chunks if isinstance(chunks, list) else ():
        web = (chunk.get("web") or chunk.get("retrievedContext")) if isinstance(chunk, dict) else None
        web = web if isinstance(web, dict) else {}
        sources.append(Citation(text(web.get("uri")), text(web.get("title")) or text(web.get("domain"))))
    return sources


def citations_of(found: Any, said: str, starts: list[int]) -> list[Citation]:
    """Sources with the spans that they support, and those that support none. ``starts``: of each part, the
    place in ``said`` where it begins, in bytes."""
    sources = sources_of(found)
    used: set[int] = set()
    spans: list[tuple[int, int]] = []
    cited: list[int] = []
    supports = found.get("groundingSupports") if isinstance(found, dict) else None
    for support in supports if isinstance(supports, list) else ():
        if not isinstance(support, dict):
            continue
        span = _span(support, starts)
        for at in _indices(support):
            if span is not None and 0 <= at < len(sources):
                spans.append(span)
                cited.append(at)
                used.add(at)
    places = to_code_points(said, spans)
    located = [
        Citation(sources[at].url, sources[at].title, start, end, said[start:end])
        for at, (start, end) in zip(cited, places, strict=True)
        if sources[at].url
    ]
    return located + [source for at, source in enumerate(sources) if at not in used and source.url]


def recited(metadata: Raw) -> list[Citation]:
    """``citationMetadata``: sources that the answer repeats."""
    found = any_of(metadata) if is_given(metadata) else None
    sources = found.get("citations", found.get("citationSources")) if isinstance(found, dict) else None
    return [
        Citation(uri, text(source.get("title")))
        for source in (sources if isinstance(sources, list) else ())
        if isinstance(source, dict) and (uri := text(source.get("uri")))
    ]


def grounding_object(said: str, citations: list[Citation], queries: list[str]) -> Json:
    """``groundingMetadata`` for a client; empty when there is nothing to tell."""
    places: dict[str, int] = {}
    chunks: list[Json] = []
    for citation in citations:
        if citation.url not in places:
            places[citation.url] = len(chunks)
            chunks.append({"web": {"uri": citation.url, "title": citation.title or citation.url}})
    located = [citation for citation in citations if 0 <= citation.start < citation.end]
    spans = to_bytes(said, [(citation.start, citation.end) for citation in located])
    supports: dict[tuple[int, int], list[int]] = {}
    for citation, span in zip(located, spans, strict=True):
        supports.setdefault(span, []).append(places[citation.url])
    cut = {span: (citation.start, citation.end) for citation, span in zip(located, spans, strict=True)}
    found: Json = {}
    if queries:
        found["webSearchQueries"] = queries
    if chunks:
        found["groundingChunks"] = chunks
    if supports:
        found["groundingSupports"] = [
            {
                "segment": {"startIndex": span[0], "endIndex": span[1], "text": said[slice(*cut[span])]},
                "groundingChunkIndices": list(dict.fromkeys(indices)),
            }
            for span, indices in supports.items()
        ]
    return found


def _span(support: Json, starts: list[int]) -> tuple[int, int] | None:
    segment = support.get("segment")
    if not isinstance(segment, dict):
        return None
    part = _integer(segment.get("partIndex"))
    base = starts[part] if 0 <= part < len(starts) else 0
    return base + _integer(segment.get("startIndex")), base + _integer(segment.get("endIndex"))


def _indices(support: Json) -> list[int]:
    indices = support.get("groundingChunkIndices")
    return [_integer(at, -1) for at in indices] if isinstance(indices, list) else []


def _integer(value: Any, default: int = 0) -> int:
    is_one = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**40
    return value if is_one else default
