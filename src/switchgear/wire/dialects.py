"""The table of dialects."""

from switchgear.kernel.dialects import DialectName
from switchgear.wire.dialect import Dialect
from switchgear.wire.openai_responses.dialect import OpenAIResponses

DIALECT_OF: dict[DialectName, Dialect] = {
    "openai_responses": OpenAIResponses(),
}
