"""Whether an upstream refused a request because it is longer than its model takes.

Clients compact their conversation and ask again when they are told so, each by the code or the phrase of its
own dialect. Only OpenAI has a code for it; the others say it in the message of an ordinary refusal and
nowhere else. So this is the one place where words are read. A phrase that is missed costs the client no more
than its automatic compaction.
"""

CONTEXT_CODE = "context_length_exceeded"

_CODES = frozenset({CONTEXT_CODE, "exceed_context_size_error", "1261", "10907"})
"""OpenAI; llama.cpp; Zhipu; Spark."""
_PHRASES = (
    "prompt is too long",  # Anthropic
    "exceed context limit",  # Anthropic, with the answer's limit counted in
    "exceeds the maximum number of tokens",  # Google
    "maximum context length",  # OpenAI, DeepSeek, vLLM, Mistral, OpenRouter
    "maximum prompt length",  # xAI
    "exceeded model token limit",  # Moonshot
    "range of input length should be",  # DashScope
    "exceeds the available context size",  # llama.cpp, older
    "exceeds the context window",  # OpenAI Responses, MiniMax
    "longer than the model's context length",  # SGLang
)
_WORDS_CHARS_MAX = 4096


def is_too_long(codes: set[str], message: str) -> bool:
    """``codes``: of a refusal of the request itself, in lower case."""
    if codes & _CODES:
        return True
    said = message[:_WORDS_CHARS_MAX].lower()
    return any(phrase in said for phrase in _PHRASES)
