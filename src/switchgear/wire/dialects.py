"""The table of dialects, and which of them speaks an operation."""

from switchgear.kernel.dialects import OPERATIONS_OF, DialectName
from switchgear.wire.anthropic_messages.dialect import AnthropicMessages
from switchgear.wire.dialect import Dialect
from switchgear.wire.gemini_generate.dialect import GeminiGenerate
from switchgear.wire.openai_chat.dialect import OpenAIChat
from switchgear.wire.openai_responses.dialect import OpenAIResponses

DIALECT_OF: dict[DialectName, Dialect] = {
    "openai_chat": OpenAIChat(),
    "openai_responses": OpenAIResponses(),
    "anthropic_messages": AnthropicMessages(),
    "gemini_generate": GeminiGenerate(),
}

DIALECT_OF_OPERATION: dict[str, Dialect] = {
    operation: DIALECT_OF[name] for name, operations in OPERATIONS_OF.items() for operation in operations
}
