"""The body of a request as the dict of its fields, whatever its dialect."""

from msgspec import Raw

from switchgear.kernel.errors import BAD_JSON, ApiError
from switchgear.kernel.limits import FIELDS_MAX, VALUES_LOOKED_FOR_BYTES, VALUES_MAX
from switchgear.wire.framing.bounds import excess
from switchgear.wire.framing.splice import NULL, BadJson, read_object
from switchgear.wire.framing.values_count import exceeds_values


def read_fields(body: bytes) -> dict[str, Raw]:
    """The fields of a request, those of a literal ``extra_body`` among them. Raises ApiError BAD_JSON."""
    try:
        fields = read_object(body)
        if len(body) > VALUES_LOOKED_FOR_BYTES and exceeds_values(body, VALUES_MAX):
            raise BadJson(f"at most {VALUES_MAX} values are allowed in it")
        if "extra_body" in fields:
            fields = _merge_extra_body(fields)
        if why := excess(len(fields), FIELDS_MAX, "fields at the top level"):
            raise BadJson(why)
        return fields
    except BadJson as error:
        raise ApiError(
            BAD_JSON, f"We could not parse the JSON body of your request: {error.message}."
        ) from None


def _merge_extra_body(fields: dict[str, Raw]) -> dict[str, Raw]:
    """People copy the SDK's ``extra_body`` into raw JSON; its keys belong to the top level, where they don't
    override what stands there. ``google`` stays inside, as its readers look for it there."""
    if fields["extra_body"] == NULL or not bytes(fields["extra_body"]).startswith(b"{"):
        return fields
    extra = read_object(bytes(fields["extra_body"]))
    merged = {key: value for key, value in fields.items() if key != "extra_body"}
    for key, value in extra.items():
        if key == "google":
            merged["extra_body"] = Raw(b'{"google":' + bytes(value) + b"}")
        elif key not in merged or merged[key] == NULL:
            merged[key] = value
    return merged


def is_responses_body(operation: str, fields: dict[str, Raw]) -> bool:
    """Some clients send the body of a Responses request to the chat path, and want to be answered
    likewise."""
    return operation == "openai_chat" and "input" in fields and "messages" not in fields
