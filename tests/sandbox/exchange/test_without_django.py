"""The exchange is a separate program: it starts without Django installed."""

import subprocess
import sys

IMPORT_ALL = """
import importlib, pkgutil, sys

class NoDjango:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "django":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoDjango())
import sandbox.exchange
names = [module.name for module in pkgutil.walk_packages(sandbox.exchange.__path__, "sandbox.exchange.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_every_module_is_importable_without_django() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) > 50
