"""`make check-wheels`: whether every package in the image has a wheel for amd64 and arm64. Queries the package index, installs nothing."""

import subprocess
import sys
import tempfile
from pathlib import Path

from bubblyphone.core.json.documents import parse_stored_json

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("core", "offline", "s3", "otel")  # as in the Containerfile
PYTHON = "3.13"  # Debian 13's
GLIBC = range(17, 42)  # 2.41 is Debian 13's
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def wheels(machine: str) -> list[str]:
    """The names of the files that pip would install. Raises CalledProcessError if there is no wheel with a locked hash."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in reversed(GLIBC)] + [f"manylinux2014_{machine}"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
        command += ["--only-binary=:all:", "--require-hashes", "--implementation=cp", f"--python-version={PYTHON}"]
        command += [f"--target={folder}", f"--report={report}", *(f"--platform={name}" for name in platforms)]
        for lock in LOCKS:
            command += ["--requirement", str(ROOT / f"requirements/{lock}.txt")]
        subprocess.run(command, check=True)
        return [
            item["download_info"]["url"].rpartition("/")[2] for item in parse_stored_json(report.read_text())["install"]
        ]


def main() -> None:
    for name, machine in MACHINES.items():
        found = wheels(machine)
        built = sum(machine in file for file in found)
        sys.stdout.write(
            f"{name}: {len(found)} packages, {built} of them for this architecture, {len(found) - built} for any\n"
        )


if __name__ == "__main__":
    main()
