"""``usageMetadata`` as disjoint counts, and back.

The prompt's count contains the cached tokens; what tools put into the prompt is counted beside it, and so are
the thoughts beside the candidates. Counts that can't be are cut, so that the classes never overlap.
"""

from typing import Any

import msgspec
from msgspec import Raw

from switchgear.kernel.usage import INPUT_UNITS, TOKENS_MAX, Usage
from switchgear.wire.framing.counts import count_of
from switchgear.wire.framing.splice import any_of

IMAGE_TOKENS = 1290
"""Of one picture that was made, where its tokens are not told apart from the text's."""

_NO_MODALITIES = {"AUDIO": 0, "IMAGE": 0}


def read_usage(raw: Raw | bytes) -> Usage | None:
    """None when there is none: not an object, or nothing counted in it."""
    found = any_of(raw)
    if not isinstance(found, dict):
        return None
    prompt = count_of(found, "promptTokenCount") + count_of(found, "toolUsePromptTokenCount")
    thoughts = count_of(found, "thoughtsTokenCount")
    candidates = count_of(found, "candidatesTokenCount")
    if prompt and not candidates:
        candidates = max(0, count_of(found, "totalTokenCount") - prompt - thoughts)
    if not prompt and not candidates and not thoughts:
        return None
    cached = min(count_of(found, "cachedContentTokenCount"), prompt)
    inputs, kept = _by_modality(found, "promptTokensDetails"), _by_modality(found, "cacheTokensDetails")
    tools = _by_modality(found, "toolUsePromptTokensDetails")
    left = prompt - cached
    audio_in = min(max(0, inputs["AUDIO"] - kept["AUDIO"]) + tools["AUDIO"], left)
    image_in = min(max(0, inputs["IMAGE"] - kept["IMAGE"]) + tools["IMAGE"], left - audio_in)
    outputs = _by_modality(found, "candidatesTokensDetails")
    audio_out = min(outputs["AUDIO"], candidates)
    image_out = min(outputs["IMAGE"], candidates - audio_out)
    return Usage(
        input_uncached=left - audio_in - image_in,
        cache_read=cached,
        audio_in=audio_in,
        image_in=image_in,
        output_text=candidates - audio_out - image_out,
        reasoning=thoughts,
        audio_out=audio_out,
        image_out=image_out,
    )


def usage_beside(found: Any) -> Usage | None:
    """Of a decoded answer, an error perhaps, what stands in its ``usageMetadata``."""
    if isinstance(found, list) and found:
        found = found[0]
    metadata = found.get("usageMetadata") if isinstance(found, dict) else None
    return read_usage(msgspec.json.encode(metadata)) if metadata else None


def merge_reports(before: Usage | None, usage: Usage) -> Usage:
    """Two reports of one stream: each holds all before it, but hosts leave parts out of their last one."""
    if before is None:
        return usage
    said, said_before = usage.output_total - usage.reasoning, before.output_total - before.reasoning
    has_input, has_output = usage.input_total >= before.input_total, said >= said_before
    if has_input and has_output and usage.reasoning >= before.reasoning:
        return usage
    inputs = usage if has_input else before
    return msgspec.structs.replace(
        usage if has_output else before,
        **{unit: getattr(inputs, unit) for unit in INPUT_UNITS},
        reasoning=max(usage.reasoning, before.reasoning),
    )


def with_images(usage: Usage | None, images: int) -> Usage | None:
    """The usage of an answer that holds so many pictures, where it does not tell their tokens apart."""
    if usage is None or not images or usage.image_out:
        return usage
    made = min(usage.output_text, images * IMAGE_TOKENS)
    return msgspec.structs.replace(usage, output_text=usage.output_text - made, image_out=made)


def usage_object(usage: Usage) -> dict[str, Any]:
    """``usageMetadata`` for a client."""
    prompt, output = usage.input_total, usage.output_total - usage.reasoning
    found: dict[str, Any] = {"promptTokenCount": prompt}
    if usage.cache_read:
        found["cachedContentTokenCount"] = usage.cache_read
    found["candidatesTokenCount"] = output
    if usage.reasoning:
        found["thoughtsTokenCount"] = usage.reasoning
    found["totalTokenCount"] = prompt + output + usage.reasoning
    if usage.audio_in or usage.image_in:
        found["promptTokensDetails"] = _details(prompt, usage.audio_in, usage.image_in)
    if usage.audio_out or usage.image_out:
        found["candidatesTokensDetails"] = _details(output, usage.audio_out, usage.image_out)
    return found


def _details(total: int, audio: int, image: int) -> list[dict[str, Any]]:
    counts = (("TEXT", total - audio - image), ("AUDIO", audio), ("IMAGE", image))
    return [{"modality": name, "tokenCount": count} for name, count in counts if count]


def _by_modality(found: dict[str, Any], key: str) -> dict[str, int]:
    if key not in found:
        return _NO_MODALITIES
    counts = dict(_NO_MODALITIES)
    details = found[key]
    for item in details if isinstance(details, list) else ():
        modality = item.get("modality") if isinstance(item, dict) else None
        if isinstance(modality, str) and modality in counts:
            counts[modality] = min(counts[modality] + count_of(item, "tokenCount"), TOKENS_MAX)
    return counts
