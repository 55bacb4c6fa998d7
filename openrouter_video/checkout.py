"""One set of modules for two names: in a checkout, ``flows`` and ``openrouter_video.flows`` are the same folder.

The modules are known to Python as ``openrouter_video.flows``, as they are where the package is installed, and found by
where they lie: a user's own ``flows`` beside a development install stays his. The same goes for tasks and blocks.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

__all__ = ["become_folder", "share_modules"]

PACKAGE = "openrouter_video"


def become_folder(name: str) -> None:
    """Make the package of the folder out of the module ``openrouter_video.<folder>``, which is being imported."""
    module = sys.modules[name]
    folder = Path(__file__).resolve().parents[1] / name.rpartition(".")[2]
    init = str(folder / "__init__.py")
    module.__path__, module.__package__, module.__file__ = [str(folder)], name, init
    if module.__spec__ is not None:
        module.__spec__.submodule_search_locations, module.__spec__.origin = [str(folder)], init
    SourceFileLoader(name, init).exec_module(module)


def share_modules(name: str) -> None:
    """Give the folder's modules their short names too where it is imported by its own: ``flows.collection``.

    A user's folder of that name without an ``__init__.py`` is found by Python after ours, so its modules are let in.
    """
    if name.startswith(f"{PACKAGE}."):
        return
    importlib.import_module(f"{PACKAGE}.{name}")
    bare = sys.modules[name]
    bare.__path__ = pkgutil.extend_path(bare.__path__, name)
    prefix = f"{PACKAGE}.{name}."
    for full, module in [(full, module) for full, module in sys.modules.items() if full.startswith(prefix)]:
        sys.modules[full.removeprefix(f"{PACKAGE}.")] = module
        setattr(bare, full.removeprefix(prefix), module)
