"""What tests of the wire format share: a request body read in the steps of the relay."""

from switchgear.wire.call import Call, Operation
from switchgear.wire.framing.fields import read_fields
from switchgear.wire.openai_chat.peek import read_call, read_model


def read_request(operation: Operation, body: bytes) -> Call:
    """Raises ApiError as the steps do."""
    fields = read_fields(body)
    return read_call(operation, fields, read_model(fields))
