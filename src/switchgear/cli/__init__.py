"""The command line: ``switchgear`` and ``python -m switchgear.cli``."""


def main() -> None:
    """Runs one command. Ends with 0 when all is well, 1 when a problem was found, 2 when used wrongly."""
    from switchgear.cli.app import run  # only here, so that importing a part of the package loads no typer

    run()
