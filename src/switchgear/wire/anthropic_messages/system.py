"""Rules about system texts of this dialect."""

BILLING_HEADER = "x-anthropic-billing-header"


def is_billing_header(text: str) -> bool:
    """A line for Anthropic's own accounting that some clients put first. It changes with each request, so
    anywhere else it would only defeat the prompt cache."""
    return text.lstrip().startswith(BILLING_HEADER)


def reminder(text: str) -> str:
    """A system text among the turns, for models that take such a role at the front only."""
    return f"<system-reminder>\n{text}\n</system-reminder>"
