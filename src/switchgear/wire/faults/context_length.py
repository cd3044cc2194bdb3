"""Whether an upstream refused a request because it is longer than its model takes.

Clients compact their conversation and ask again when they are told so, each by the code or the phrase of its
own dialect. Only OpenAI has a code for it; the others say it in the message of an ordinary refusal and
nowhere else. A phrase that is missed costs the client no more than its automatic compaction.
"""

CONTEXT_CODE = "context_length_exceeded"

_CODES = frozenset(
    {
        CONTEXT_CODE,
        "exceed_context_size_error",  # llama.cpp
        "1261",  # Zhipu
        "10907",  # Spark
        "model_max_prompt_tokens_exceeded",  # GitHub Copilot
        "tokens_limit_reached",  # GitHub Models
    }
)
_PHRASES = (
    "prompt is too long",  # Anthropic
    "exceed context limit",  # Anthropic, with the answer's limit counted in
    "exceeds the maximum number of tokens",  # Google
    "input token count",  # Google, Vertex
    "maximum context length",  # OpenAI, DeepSeek, vLLM, SGLang, Mistral, OpenRouter, Fireworks
    "input tokens exceed",  # OpenAI, Bedrock's Nova
    "reduce the length of the messages",  # OpenAI, Groq, Cerebras
    "maximum prompt length",  # xAI
    "exceeded model token limit",  # Moonshot
    "range of input length should be",  # DashScope
    "exceed max message tokens",  # Ark
    "prompt exceeds max length",  # Zhipu
    "prompt tokens too long",  # Qianfan
    "context window exceeds limit",  # MiniMax
    "exceeds the context window",  # OpenAI Responses, MiniMax
    "exceeded this model context window",  # Cloudflare
    "exceeds the available context size",  # llama.cpp
    "larger than the max context size",  # llama.cpp
    "longer than the model's context length",  # SGLang
    "exceeds the maximum allowed length",  # SGLang
    "longer than the maximum model length",  # vLLM
    "number of input tokens exceeds maximum length",  # Bedrock
    "input is too long for requested model",  # Bedrock
    "too many input tokens",  # Bedrock
    "tokens + `max_new_tokens` must be",  # text-generation-inference, Together
    "`inputs` must have less than",  # text-generation-inference
    "tokens in the prompt cannot exceed",  # Cohere
    "prompt token count of",  # GitHub Copilot
    "trying to keep the first",  # LM Studio
    "greater than the context length",  # LM Studio
    "model is loaded with context length of only",  # LM Studio
    "context length exceeded",
    "context window exceeded",
    "context_length_exceeded",  # a code inside of a relay's message
)
_AS_FAILURES = (
    "context size has been exceeded",  # llama.cpp
    "input is too large to process",  # llama.cpp
    "input length exceeds the context length",  # Ollama
    "input length exceeds maximum context length",  # Ollama
    "when context the overflows",  # LM Studio
)
"""Said with a status or type of a server's failure as well."""
_WORDS_CHARS_MAX = 4096


def is_too_long(codes: set[str], message: str) -> bool:
    """``codes``: of a refusal of the request itself, in lower case."""
    if codes & _CODES:
        return True
    said = message[:_WORDS_CHARS_MAX].lower()
    return any(phrase in said for phrase in _PHRASES + _AS_FAILURES)


def is_too_long_for(message: str) -> bool:
    """Of what calls itself a failure of the server."""
    said = message[:_WORDS_CHARS_MAX].lower()
    return any(phrase in said for phrase in _AS_FAILURES)
