"""Codes and types of errors, as the makers of all dialects and their vendors write them.

What an error means is decided by these and by its status; ``fault_sentences`` holds what some say in words
alone.
"""

from typing import Literal

FaultKind = Literal["client", "model", "auth", "funds", "limited", "transient", "content", "loop"]
"""See ``wire.faults.upstream_error``."""

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
        "censorship_blocked",
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
        "insufficient_balance_error",
        "payment_required",
        "credit_limit_exceeded",
        "1309",
        "30001",
        "30011",
        "setlimitexceeded",
        "operationdenied.serviceoverdue",
        "prepaidbilloverdue",
        "postpaidbilloverdue",
        "commoditynotpurchased",
        "accessdenied.unpurchased",
        "failedoperation.resourcepackexhausted",
        "failedoperation.freeresourcepackexhausted",
        "failedoperation.servicenotactivated",
        "resourceunavailable.inarrears",
        "resourceinsufficient.chargeresourceexhaust",
        "pre_consume_token_quota_failed",
        "blocked_api_access",
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
        "1303",
        "1304",
        "1308",
        "1310",
        "1313",
        "2056",
        "10007",
        "11201",
        "11202",
        "11203",
        "rpm_rate_limit_exceeded",
        "tpm_rate_limit_exceeded",
        "limitexceeded",
        "requestlimitexceeded",
        "servicequotaexceededexception",
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
        "authorized_error",
        "account_deactivated",
        "access_terminated",
        "ip_not_authorized",
        "organization_restricted",
        "invalid_iam_token",
        "1110",
        "1112",
        "1120",
        "1121",
        "11200",
        "accessdenied",
        "workspace.accessdenied",
        "failedoperation.userunautherror",
        "expiredtokenexception",
        "unrecognizedclientexception",
        "invalidsignatureexception",
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
        "1220",
        "1221",
        "1222",
        "1311",
        "20012",
        "30003",
        "unsupportedmodel",
        "invalidsubscription",
        "invalidendpoint.closedendpoint",
        "model.accessdenied",
        "allocationquota.freetieronly",
        "invalid_model",
        "model_terms_required",
        "model_decommissioned",
        "model_permission_blocked_org",
        "model_permission_blocked_project",
        "resourcenotfoundexception",
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
        "validationexception",
    }
)


_WEAK_MODEL_CODES = frozenset({"failed_precondition", "not_found_error", "unsupported_endpoint"})
"""They also stand for something that the request names: a file, a response."""


def names_model(words: set[str]) -> bool:
    """Whether codes and types say for certain that the upstream does not serve the model."""
    return bool(words & _MODEL_CODES - _WEAK_MODEL_CODES)


def kind_of_codes(words: set[str]) -> FaultKind | None:
    """The kind that codes and types of an error name, all in lower case; None when they tell nothing."""
    if words & _CONTENT_CODES:
        return "content"
    if words & _FUNDS_CODES:
        return "funds"
    if words & _MODEL_CODES:
        return "model"
    if words & _AUTH_CODES or any(word.startswith("authfailure") for word in words):
        return "auth"
    if words & _LIMITED_CODES or any(word.startswith("throttling") for word in words):
        return "limited"
    if words & _CLIENT_CODES:
        return "client"
    return None
