"""Resolves the clients again into lock files: ``python -m tests.clients.lock``.

npm writes addresses of the registry it asked into its lock files, and names optional packages for other
platforms even where the registry has none; then ``npm ci`` refuses the file. Both are taken out here: what
is left is names, versions and digests.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.clients.install import FOLDER, NPM_FOLDERS


def main() -> None:
    for name in NPM_FOLDERS:
        folder = FOLDER / name
        (folder / "package-lock.json").unlink(missing_ok=True)
        command = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, check=True)
        _tidy(folder / "package-lock.json")


def _tidy(file: Path) -> None:
    lock = json.loads(file.read_text())
    packages: dict[str, dict[str, Any]] = lock["packages"]
    for path, package in packages.items():
        package.pop("resolved", None)
        package.pop("funding", None)
        optional: dict[str, str] = package.pop("optionalDependencies", {})
        if kept := {name: want for name, want in optional.items() if _is_there(packages, path, name)}:
            package["optionalDependencies"] = kept
    file.write_text(json.dumps(lock, indent=2) + "\n")


def _is_there(packages: dict[str, dict[str, Any]], path: str, name: str) -> bool:
    """Whether a package is found from where another lies, as node looks for it: in each folder upwards."""
    while True:
        if f"{path}/node_modules/{name}".lstrip("/") in packages:
            return True
        if not path:
            return False
        path = path.rpartition("node_modules/")[0].rstrip("/")


if __name__ == "__main__":
    main()
