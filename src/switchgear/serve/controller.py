"""Entry of the controller process: ``python -m switchgear.serve.controller``, started by the supervisor."""

import sys

from switchgear.control.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
