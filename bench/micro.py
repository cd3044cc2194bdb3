"""What single steps of a request cost in-process, such as price and record. For finding, not for judging.

``python -m bench.micro [NAME …]`` prints the best of several repeats: what a noisy machine repeats best. With
``--times N`` the steps run so often and are not timed, for a tool that counts instructions: the difference of
two runs leaves the start of the interpreter out.
"""

import argparse
import timeit
from collections.abc import Callable

from bench import conversions
from bench.bodies import chat_body

from switchgear.catalog.price import Price, charge, with_id
from switchgear.kernel.ids import new_id
from switchgear.kernel.usage import Usage
from switchgear.ledger.record import UsageRecord, decode_record, encode_record

REPEATS = 5
SECONDS = 0.2
USAGE = Usage(input_uncached=200, cache_read=50, output_text=160, reasoning=20)
RATES = {"input_uncached": 1_750_000_000, "cache_read": 175_000_000, "output_text": 14_000_000_000}
PRICE = with_id(Price("gpt-5.2", RATES))
RECORD = UsageRecord(
    request_id=new_id(),
    at_ms=1_772_077_478_000,
    user_id=new_id(),
    key_id=new_id(),
    group="default",
    dialect="openai_chat",
    operation="openai_chat",
    model="gpt-5.2",
    end_state="complete",
    usage_source="reported",
    usage=USAGE,
    charge=charge(PRICE, USAGE, 1_000_000),
    wallet="wallet:acme",
)


def cases() -> dict[str, Callable[[], object]]:
    """Name of a step → the call that is timed."""
    stored = encode_record(RECORD)
    return {
        "new_id": new_id,
        "charge": lambda: charge(PRICE, USAGE, 1_250_000),
        "encode_record": lambda: encode_record(RECORD),
        "decode_record": lambda: decode_record(stored),
        "chat_body (for scale)": lambda: chat_body("bench-json", 1024, False),
        **conversions.cases(),
    }


def best_us(call: Callable[[], object]) -> float:
    """Microseconds of one call, best of the repeats."""
    timer = timeit.Timer(call)
    count, took = timer.autorange()
    count = max(1, int(count * SECONDS / took))
    return min(timer.repeat(REPEATS, count)) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="Single steps of a request, in-process.")
    parser.add_argument("name", nargs="*", help="of a step; all of them otherwise")
    parser.add_argument("--times", type=int, help="run each step so often, and time nothing")
    given = parser.parse_args()
    for name, call in cases().items():
        if given.name and name not in given.name:
            continue
        if given.times is None:
            print(f"{name:<44} {best_us(call):>9.2f} µs", flush=True)
            continue
        for _ in range(given.times):
            call()


if __name__ == "__main__":
    main()
