"""Codes and types of errors, as the makers of all dialects and their vendors write them.

What an error means is decided by these and by its status, never by the words of its message.
"""

from typing import Literal

FaultKind = Literal["client", "model", "auth", "funds", "limited", "transient", "content", "loop"]
"""See ``wire.faults``."""

# Codes as vendors write them, compared in lower case. Sources: the vendors' error pages.
_CONTENT_CODES = frozenset(
    {
        "datainspectionfailed",
        "data_inspection_failed",
        "1301",
        "1026",
        "1027",
        "sensitive",
        "10013",
        "10014",
        "content_policy_violation",
        "content_filter",
        "moderation_blocked",
        "responsibleaipolicyviolation",
    }
)
_FUNDS_CODES = frozenset(
    {
        "insufficient_quota",
        "insufficient_user_quota",
        "insufficient_balance",
        "arrearage",
        "billing_not_active",
        "billing_hard_limit_reached",
        "exceeded_current_quota_error",
        "billing_error",
        "billing_disabled",
        "accountoverdueerror",
        "1113",
        "1008",
    }
)
_LIMITED_CODES = frozenset(
    {
        "rate_limit_exceeded",
        "rate_limit_error",
        "rate_limit_reached_error",
        "resource_exhausted",
        "1302",
        "1305",
        "1002",
        "1039",
    }
)
_AUTH_CODES = frozenset(
    {
        "invalid_api_key",
        "api_key_invalid",
        "api_key_service_blocked",
        "unauthenticated",
        "permission_denied",
        "permission_error",
        "consumer_suspended",
        "service_disabled",
        "invalidapikey",
        "authentication_error",
        "invalid_authentication_error",
        "1004",
        "2049",
    }
)
_MODEL_CODES = frozenset(
    {
        "model_not_found",
        "modelnotfound",
        "model_not_supported",
        "model_not_available",
        "unsupported_model",
        "modelnotopen",
        "invalidendpointormodel.notfound",
        "deploymentnotfound",
        "model_not_allowed",
        "unsupported_country_region_territory",
        "unsupported_endpoint",
        "failed_precondition",
        "not_found_error",
        "1211",
    }
)
_CLIENT_CODES = frozenset(
    {
        "invalid_request_error",
        "invalidparameter",
        "invalid_parameter_error",
        "badrequesterror",
        "bad_request",
        "context_length_exceeded",
        "exceed_context_size_error",
        "invalid_argument",
        "out_of_range",
        "request_too_large",
        "10907",
        "1261",
        "invalid_type",
        "invalid_value",
        "missing_required_parameter",
        "unsupported_parameter",
        "unsupported_value",
        "2013",
    }
)


def kind_of_codes(words: set[str]) -> FaultKind | None:
    """The kind that codes and types of an error name, all in lower case; None when they tell nothing."""
    if words & _CONTENT_CODES:
        return "content"
    if words & _FUNDS_CODES:
        return "funds"
    if words & _MODEL_CODES:
        return "model"
    if words & _AUTH_CODES:
        return "auth"
    if words & _LIMITED_CODES or any(word.startswith("throttling") for word in words):
        return "limited"
    if words & _CLIENT_CODES:
        return "client"
    return None
