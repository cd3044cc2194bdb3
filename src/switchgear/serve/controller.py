"""Entry of the controller process: ``python -m switchgear.serve.controller``, started by the supervisor."""

import sys

from switchgear.control.main import main
from switchgear.kernel.process import refuse_core_dumps

if __name__ == "__main__":
    refuse_core_dumps()
    sys.exit(main(sys.argv[1:]))
