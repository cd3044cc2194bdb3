"""Installs the clients into folders that git ignores: ``python -m tests.clients.install``.

What is installed is what the lock files say, by digest. No install script of a package runs but the few that
put a binary in its place. A mark beside what was installed tells that it is the lock file's.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent
NPM_FOLDERS = ("sdk", "agents")
PLACE_BINARIES = {
    "@anthropic-ai/claude-code": "install.cjs",
    "opencode-ai": "postinstall.mjs",
    "cline": "postinstall.mjs",
}
"""Packages whose binary comes in another package: the script that links it, run without a network need."""
AIDER = FOLDER.parents[1] / ".venv-aider"


def main() -> None:
    if shutil.which("npm") is None:
        sys.exit("The clients need Node.js 20 or newer, with npm.")
    for name in NPM_FOLDERS:
        _once(FOLDER / name / "package-lock.json", FOLDER / name / "node_modules", _install_npm)
    _once(FOLDER / "aider.lock", AIDER, _install_aider)


def _once(lock: Path, target: Path, install: Callable[[Path], None]) -> None:
    mark = target / ".installed-from"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if mark.is_file() and mark.read_text() == digest:
        return
    print(f"Installing into {target} …", flush=True)
    install(target)
    mark.write_text(digest)


def _install_npm(target: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=target.parent, check=True)
    for package, script in PLACE_BINARIES.items():
        if (target / package).is_dir():
            subprocess.run(["node", script], cwd=target / package, check=True, stdout=subprocess.DEVNULL)


def _install_aider(target: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", target], check=True)
    pip = [target / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", FOLDER / "aider.lock"], check=True)


if __name__ == "__main__":
    main()
