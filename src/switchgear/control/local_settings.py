"""What the controller and the embedded model's own process agree on; neither imports the other."""

import msgspec

MODEL_ALIAS = "smollm2-135m-instruct"


class LocalSettings(msgspec.Struct, frozen=True):
    """What the parent says on stdin."""

    secret: str
    parent_pid: int
