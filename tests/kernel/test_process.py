"""Without this a crash would write keys and customers' words to a file."""

import subprocess
import sys

ASK = """
import ctypes, resource
from switchgear.kernel.process import refuse_core_dumps
refuse_core_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_a_process_leaves_no_core_file_and_no_look_at_its_memory() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(0, 0) 0"
