"""A fuzzing campaign: ``python -m tests.fuzz.run [TARGET…]`` gives each target FUZZ_SECONDS (60).

atheris runs each target in a process of its own. Its corpus, ``build/fuzz/TARGET``, begins with the golden
files, the data files and the example configurations, and keeps what campaigns find. Exit code 1
when one crashed.
"""

import os
import subprocess
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
SEED_FILES = (
    "tests/wire/openai_chat/golden/**/*.*",
    "src/switchgear/vendors/**/*.toml",
    "src/switchgear/catalog/**/*.toml",
    "docs/**/*.toml",
)
SEED_BYTES_MAX = 16_384
INPUT_BYTES_MAX = 65_536
SLOW_S = 10
"""An input that takes so long counts as a crash: readers are linear."""
MEMORY_MIB_MAX = 1024

with atheris.instrument_imports(include=["switchgear"]):
    from tests.fuzz.targets import TARGETS


def campaign(names: list[str], seconds: int) -> int:
    """Runs the targets one after another; 1 when one of them crashed, hung or ran out of memory."""
    failed = [name for name in names if not _survives(name, seconds)]
    print(f"{len(names)} targets, {seconds} s each; crashed: {', '.join(failed) or 'none'}", flush=True)
    return 1 if failed else 0


def _survives(name: str, seconds: int) -> bool:
    corpus = ROOT / "build" / "fuzz" / name
    corpus.mkdir(parents=True, exist_ok=True)
    _plant(corpus)
    options = [f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", f"-timeout={SLOW_S}"]
    options += [f"-rss_limit_mb={MEMORY_MIB_MAX}", f"-artifact_prefix={corpus}.", "-print_final_stats=1"]
    command = [sys.executable, "-m", "tests.fuzz.run", "--one", name, *options, str(corpus)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    lines = done.stderr.splitlines()
    runs = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "?")
    print(f"{name}: {runs} runs, {len(os.listdir(corpus))} inputs kept", flush=True)
    if done.returncode:
        print(done.stdout[-3000:], "\n".join(lines[-40:]), sep="\n", flush=True)
    return done.returncode == 0


def _plant(corpus: Path) -> None:
    for pattern in SEED_FILES:
        for path in ROOT.glob(pattern):
            if path.is_file():
                seed = corpus / f"seed-{'-'.join(path.relative_to(ROOT).parts[-3:])}"
                seed.write_bytes(path.read_bytes()[:SEED_BYTES_MAX])


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--one"]:
        atheris.Setup([sys.argv[0], *arguments[2:]], TARGETS[arguments[1]])
        atheris.Fuzz()
    return campaign(arguments or list(TARGETS), int(os.environ.get("FUZZ_SECONDS", "60")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
