"""What single steps of a request cost in-process, such as price and record. For finding, not for judging.

``python -m bench.micro [NAME …]`` prints the best of several repeats: what a noisy machine repeats best.
"""

import sys
import timeit
from collections.abc import Callable

from bench.rig import chat_body

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
        "chat_body (for scale)": lambda: chat_body("bench-json", 1024),
    }


def best_us(call: Callable[[], object]) -> float:
    """Microseconds of one call, best of the repeats."""
    timer = timeit.Timer(call)
    count, took = timer.autorange()
    count = max(1, int(count * SECONDS / took))
    return min(timer.repeat(REPEATS, count)) / count * 1e6


def main() -> None:
    wanted = sys.argv[1:]
    for name, call in cases().items():
        if not wanted or name in wanted:
            print(f"{name:<28} {best_us(call):>9.2f} µs")


if __name__ == "__main__":
    main()
