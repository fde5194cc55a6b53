"""A web process imports its views and compiles its templates before it listens."""

import os
import subprocess
import sys

from bubblyphone.services.ports import find_free

# In a new process, since this one has loaded everything. Its database cannot be reached.
SCRIPT = """
import sys
from bubblyphone import serve
from django.conf import settings
from django.template.loaders.filesystem import Loader
from django.test import Client

compiled, read = [], Loader.get_contents
Loader.get_contents = lambda loader, origin: compiled.append(origin.name) or read(loader, origin)
serve.load_pages()
count, known = len(compiled), set(sys.modules)
assert Client(headers={"host": "localhost"}).get("/login").status_code == 200
late = [name for name in compiled[count:] if name.startswith(str(settings.BASE_DIR / "templates"))]
ours = ("accounts", "agents", "billing", "calls", "phone_numbers", "sandbox", "staff", "webhooks")
print(count > 100, late, [name for name in set(sys.modules) - known if name.partition(".")[0] in ours and "context" not in name])
"""


def test_the_first_request_imports_no_view_and_compiles_no_template() -> None:
    environment = {**os.environ, "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{find_free()}/none"}
    found = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert (found.stdout.splitlines()[-1:], found.returncode) == (["True [] []"], 0), found.stderr
