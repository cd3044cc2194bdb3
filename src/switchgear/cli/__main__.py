"""``python -m switchgear.cli``."""

from switchgear.cli import main

if __name__ == "__main__":
    main()
