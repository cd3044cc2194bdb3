"""What a relay worker gets of the operator's environment: what Python, TLS and proxies need, no more.

Vendor keys and the master key stay with the controller; a worker gets the credentials that it calls with by
the link, and has no use for the rest.
"""

from collections.abc import Mapping

_NAMES = frozenset(
    (
        "PATH",
        "HOME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TZDIR",
        "TMPDIR",
        "VIRTUAL_ENV",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "GLIBC_TUNABLES",
    )
)
_PREFIXES = ("PYTHON", "LC_", "MALLOC_", "COVERAGE_", "COV_CORE_")
_PROXIES = frozenset(("http_proxy", "https_proxy", "all_proxy", "no_proxy"))


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the environment that a worker is started with."""
    return {
        name: value
        for name, value in environ.items()
        if name in _NAMES or name.startswith(_PREFIXES) or name.lower() in _PROXIES
    }
