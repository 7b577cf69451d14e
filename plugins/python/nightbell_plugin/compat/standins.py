"""Modules that stand in for those of another system, in this process only.

Nothing is installed: a finder serves them from a table, in which one module may have several names and
keeps the identity of its classes under each.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Union

Contents = Union[str, Mapping[str, Any], Callable[[], Mapping[str, Any]]]
"""What is in a module: the name of a module of ours, names and values, or a function that gives them
when the module is imported."""


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves the modules of a table, and the packages above them. What lies under one of the packages in
    `closed` but is not in the table is refused in words that name `system`."""

    def __init__(self, system: str, table: Mapping[str, Contents], closed: Sequence[str] = ()) -> None:
        self.system = system
        self.table: Dict[str, Contents] = dict(table)
        self.closed = tuple(closed)
        self.packages = set()
        for name in table:
            while "." in name:
                name = name.rpartition(".")[0]
                self.packages.add(name)

    def install(self, *, first: bool = True) -> StandIns:
        """From now on they can be imported: before what is installed, or only if it is not."""
        if first:
            sys.meta_path.insert(0, self)
            for name in list(sys.modules):
                if self._is_ours(name):
                    del sys.modules[name]
        else:
            sys.meta_path.append(self)
        return self

    def remove(self) -> None:
        """Takes them away again, for tests."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in [name for name in sys.modules if self._is_ours(name)]:
            loader = getattr(getattr(sys.modules[name], "__spec__", None), "loader", None)
            if loader is self:
                del sys.modules[name]

    def _is_ours(self, name: str) -> bool:
        return name in self.table or name in self.packages

    def find_spec(
        self, fullname: str, path: Optional[Sequence[Any]] = None, target: Optional[types.ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """For the import system."""
        if self._is_ours(fullname):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=fullname in self.packages)
        if fullname.partition(".")[0] in self.closed:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: Nightbell stands in for {self.system} without it", name=fullname
            )
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[types.ModuleType]:
        """For the import system."""
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        """For the import system."""
        contents = self.table.get(module.__name__, {})
        if isinstance(contents, str):
            contents = vars(importlib.import_module(contents))
        elif callable(contents):
            contents = contents()
        for name, value in contents.items():
            if name == "__getattr__" or not (name.startswith("__") and name.endswith("__") and name != "__version__"):
                setattr(module, name, value)
