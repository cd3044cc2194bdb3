"""What every SDK is asked, and how its script tells what came back.

A script is started as ``python SCRIPT SPEC_JSON`` and prints one JSON object: the SDK's version and, by model
and case, a finding. It imports nothing of this project, as the SDK's other major version lives in an
environment of its own. The words in brackets steer the simulated upstream, whatever dialect it speaks.

``SPEC_JSON``: ``origin`` (scheme, host and port), ``keys`` by what is the matter with them, ``models`` (the
names of the models that are to be asked), ``faulty`` (each one's twin that may be put out of service).
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Finding = Any
Case = Callable[[str], Finding]
"""From the name of a model to a finding."""

TEXT = "Say a few words."
SYSTEM = "You are terse."
HISTORY = [("user", "One?"), ("assistant", "One."), ("user", "[echo] And two?")]
TOOLS_CUE = "[tools] What is the weather in Oslo, and what time is it there?"
THINK_CUE = "[think] [tool] What is the weather in Oslo?"
THINK_ONLY = "[think] Say a few words."
IMAGE_CUE = "[image] What is this?"
JSON_CUE = "[json] Which city, and how many people?"
CACHE_CUE = "[cache] Say a few words."
CHARGE_CUE = "[think] [cache] Say a few words."
LENGTH_CUE = "[length] Say a few words."
LONG_CUE = "[long] Say many words."
EMBEDDED = "one"
REFUSE_CUE = "[refuse] Say a few words."
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where"}},
    "required": ["city"],
    "additionalProperties": False,
}
CLOCK = {
    "type": "object",
    "properties": {"zone": {"type": "string"}, "style": {"type": "string", "enum": ["12h", "24h"]}},
    "required": ["zone", "style"],
    "additionalProperties": False,
}
TOOLS = {"weather": WEATHER, "clock": CLOCK}
RESULTS = {"weather": "rain", "clock": "noon"}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="
BUDGET_TOKENS = 2048
OUTPUT_TOKENS = 8192
"""A cap where one must be given: so high that it does not shape the answer."""


class Spec:
    """The argument of a script."""

    def __init__(self) -> None:
        given = json.loads(sys.argv[1])
        self.origin: str = given["origin"]
        self.keys: dict[str, str] = given["keys"]
        self.models: list[str] = given["models"]
        self.faulty: dict[str, str] = given["faulty"]


def tell(version: str, spec: Spec, cases: list[Case], errors: dict[str, Case]) -> None:
    """Runs all cases for all models and prints what was found. ``errors``: those that must raise."""
    with ThreadPoolExecutor(len(spec.models)) as pool:
        found = dict(zip(spec.models, pool.map(lambda name: _all(name, cases), spec.models), strict=True))
        twins = [spec.faulty[name] for name in spec.models]
        raised = pool.map(lambda pair: _raised(*pair, errors), zip(spec.models, twins, strict=True))
        for name, classes in zip(spec.models, raised, strict=True):
            found[name]["errors"] = classes
    print(json.dumps({"version": version, "found": found}))


def _all(model: str, cases: list[Case]) -> dict[str, Finding]:
    return {case.__name__: _one(case, model) for case in cases}


def _one(case: Case, model: str) -> Finding:
    started = time.monotonic()
    try:
        return case(model)
    except Exception as error:  # what the SDK makes of a wrong reply is the finding
        took_s = time.monotonic() - started
        return {"raised": type(error).__name__, "message": str(error)[:800], "took_s": round(took_s, 2)}


def _raised(model: str, faulty: str, errors: dict[str, Case]) -> dict[str, Finding]:
    """Class and status of what each case raises; those that the upstream causes ask the model's twin."""
    found: dict[str, Finding] = {}
    for name, case in errors.items():
        try:
            case(faulty if name.startswith("upstream") else model)
        except Exception as error:
            status = getattr(error, "status_code", None) or getattr(error, "code", None)
            found[name] = {
                "class": type(error).__name__,
                "status": status if isinstance(status, int) else None,
                "message": str(error)[:300],
            }
        else:
            found[name] = {"class": None}
    return found
