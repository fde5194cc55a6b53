"""schemathesis: valid and invalid requests generated from the document, with every response validated against it.

To run it manually with thousands of requests, including boundary values:
`SCHEMATHESIS_EXAMPLES=200 make test ARGS=tests/schema/test_random_requests.py`
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.schema import ERRORS_FILE
from tests.schema.conftest import World

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "")
# Boundary values add about 2,500 requests.
PHASES = "examples,coverage,fuzzing,stateful" if EXAMPLES else "examples,fuzzing,stateful"
SEQUENCES = 8
ROOT = Path(__file__).parents[2]
# The status for an unreachable vendor is 502, as the document describes.
CONFIGURATION = """
# On a busy machine a response may take longer than the default of 10 seconds, which does not make it wrong.
request-timeout = 60

[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 502]

# Sequences that follow the document's links can find problems that single requests cannot.
[phases.stateful.generation]
max-examples = {sequences}
"""
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
    "unsupported_method",
    "allow_header_conformance",
]


@pytest.mark.slow
def test_every_response_matches_the_document(world: World, tmp_path: Path) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION.format(sequences=EXAMPLES or SEQUENCES))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run"]
    command += [f"{world.url}/api/v1/schema", "--url", world.url, "--phases", PHASES]
    command += ["--header", f"Authorization: Bearer {world.key}", "--checks", ",".join(CHECKS)]
    command += [
        "--max-examples",
        EXAMPLES or "2",
        "--seed",
        "1",
        "--continue-on-failure",
        "--suppress-health-check",
        "all",
    ]
    command += ["--no-color", "--warnings", "off"]
    # Proxies are only for external hosts.
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = {"SCHEMATHESIS_HOOKS": "tests.schema.schemathesis_hooks", **environment, "PYTHONPATH": f"{ROOT}"}
    environment[ERRORS_FILE] = str(tmp_path / "errors.json")
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2000:]
    assert json.loads((tmp_path / "errors.json").read_text()) == []
    print(run.stdout[-1500:])  # noqa: T201  (the number of requests, shown with -s)
    followed = re.search(r"API Links: +(\d+) covered", run.stdout)
    # If the run's key stopped working, no links would be followed.
    assert followed and int(followed[1]) > 0, run.stdout
