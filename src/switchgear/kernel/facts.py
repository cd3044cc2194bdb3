"""What has to be known of a model to ask it rightly, whatever channel serves it."""

from typing import Literal, get_args

import msgspec

ThinkingSwitch = Literal[
    "",
    "none",
    "always",
    "effort",
    "manual",
    "manual_adaptive",
    "adaptive",
    "budget",
    "level",
    "switch",
    "type",
]
"""How a model's reasoning is switched, by the family's own means:

- empty: not known; the dialect's usual field, if the client asks for anything;
- ``none``: it does not reason, and refuses or ignores every switch;
- ``always``: it always reasons and takes no switch;
- ``effort``: ``reasoning_effort``, ``reasoning.effort`` (OpenAI, gpt-oss, Kimi K3);
- ``manual``: ``thinking{type:"enabled",budget_tokens}`` (Claude up to 4.5);
- ``adaptive``: ``thinking{type:"adaptive"}`` with ``output_config.effort`` (Claude from 4.7);
- ``manual_adaptive``: either of the two (Claude 4.6);
- ``budget``: ``thinkingConfig.thinkingBudget`` (Gemini 2.5);
- ``level``: ``thinkingConfig.thinkingLevel`` (Gemini 3);
- ``switch``: ``enable_thinking``, with ``thinking_budget`` for how much (Qwen, ERNIE);
- ``type``: ``thinking{type:"enabled"|"disabled"}``, with ``reasoning_effort`` where ``efforts`` has names
  (DeepSeek, GLM, Kimi K2.5, Doubao, MiMo).
"""
THINKING_SWITCHES: tuple[ThinkingSwitch, ...] = get_args(ThinkingSwitch)

EffortName = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""Degrees of reasoning, least first."""

ToolChoiceName = Literal["auto", "none", "required", "named"]


class ModelFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Facts of an upstream's model that decide how a request is written for it. The defaults are those of a
    model of which nothing is known: it is believed to take what its dialect has."""

    output_tokens_max: int = 0
    """0 = unknown."""
    context_tokens: int = 0
    """0 = unknown."""
    thinking: ThinkingSwitch = ""
    """How its reasoning is switched, by the family's own means; empty = not known."""
    thinking_off: bool = True
    """Its reasoning can be switched off."""
    efforts: tuple[EffortName, ...] = ()
    """Names of effort or level that it accepts, least first; empty = unknown, or it takes none."""
    no_effort: bool = False
    """Refuses any word of effort."""
    budget_min: int = 0
    """Least budget in tokens that is not off."""
    budget_max: int = 0
    """0 = unknown."""
    thinking_auto_only: bool = False
    """While it reasons, the tool choice can't be forced: only ``auto`` and ``none`` are taken."""
    needs_reasoning_back: bool = False
    """In a conversation with tools every earlier answer has to carry its reasoning again."""
    tool_choices: tuple[ToolChoiceName, ...] = ()
    """Kinds of tool choice that it takes at any time; empty = all."""
    no_sampling: bool = False
    """Refuses ``temperature``, ``top_p`` and ``top_k``."""
    one_sampling: bool = False
    """Refuses ``temperature`` and ``top_p`` together."""
    no_penalties: bool = False
    """Refuses presence and frequency penalties."""
    no_stop: bool = False
    """Refuses stop sequences."""
    stops_max: int = 0
    """Stop sequences that it takes; 0 = as many as its dialect's maker."""
    no_parallel: bool = False
    """Refuses ``parallel_tool_calls``."""
    no_max_tokens: bool = False
    """Chat: refuses ``max_tokens``; takes ``max_completion_tokens``."""
    one_cap: bool = False
    """Chat: refuses ``max_tokens`` and ``max_completion_tokens`` together."""
    no_developer: bool = False
    """Chat: knows no role ``developer``."""
    tools_unreasoned: bool = False
    """Chat: refuses tools while it reasons; Responses takes both together."""
    reasons_unasked: bool = False
    """Reasons where a request says nothing of it."""
    no_prefill: bool = False
    """Refuses a conversation that ends with the assistant's turn."""
    json_schema: bool = True
    """Takes a JSON schema as the form of its answer."""
    schema_subset: bool = False
    """Gemini: takes schemas of its own subset only (``parameters``, ``responseSchema``)."""
    system_role: Literal["system", "developer", "none"] = "system"
    """Role of instructions in chat; ``none``: they go before the first text of the user."""
    system_first: bool = False
    """Takes one system message, as the first."""
    stream_only: bool = False
    """Answers only as a stream; whole replies are made of it."""
    box_tags: bool = False
    """Marks the heart of its answer by ``<|begin_of_box|>`` and ``<|end_of_box|>``, which another dialect's
    clients do not get."""
    responses_only: bool = False
    """Of OpenAI's dialects it speaks only Responses."""
