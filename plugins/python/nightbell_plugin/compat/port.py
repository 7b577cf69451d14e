"""Sources of Python 2, converted.

    python -m nightbell_plugin.compat.port FOLDER…
    python -m nightbell_plugin.compat.port --module cabot_alert_twilio,cabot_alert_slack

rewrites what lies there and cannot be read by this Python, and says what. What was not converted at that time
is converted when it is imported, which takes a while at each start. The converter is Python's own `lib2to3`,
which Python 3.13 has no more: there the package `fissix` takes its place if it is installed.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import logging
import os
import re
import sys
import tokenize
import types
import warnings
from typing import Any, Callable, Iterable, List, Optional, Sequence, Tuple

from ..outcomes import Misconfigured
from .oldnames import BUILTINS

MAX_SOURCE = 4 << 20
"""Bytes of a source file."""
MAX_FILES = 20_000
"""Files that are looked at."""
CONVERTERS = ("lib2to3", "fissix")
logger = logging.getLogger(__name__)


def converter() -> Tuple[Any, Any]:
    """The parts of what converts that are needed: `refactor` and the names of its fixers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in CONVERTERS:
            try:
                refactor = importlib.import_module(f"{name}.refactor")
            except ImportError:
                continue
            return refactor, refactor.get_fixers_from_package(f"{name}.fixes")
    raise Misconfigured(
        "it is written for Python 2 and this Python has no lib2to3: "
        "add `fissix` to run.requirements, or use Python 3.12"
    )


def is_python_3(source: bytes, path: str = "<source>") -> bool:
    """Whether this Python can read it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def encoding_of(source: bytes) -> str:
    """The encoding that a source says it has."""
    return tokenize.detect_encoding(iter(source.splitlines(keepends=True)).__next__)[0]


def convert(source: bytes, path: str) -> str:
    """The source as Python 3 has it. `SyntaxError` if it cannot be converted either."""
    if len(source) > MAX_SOURCE:
        raise SyntaxError(f"{path} is longer than {MAX_SOURCE} bytes")
    refactor, fixers = converter()
    text = source.decode(encoding_of(source)).replace("\r\n", "\n")
    tool = refactor.RefactoringTool(fixers, {"print_function": False})
    try:
        converted = str(tool.refactor_string(text if text.endswith("\n") else text + "\n", path))
        compile(converted, path, "exec", dont_inherit=True)
    except Exception as error:
        raise SyntaxError(f"{path} is neither Python 3 nor can it be converted: {error}") from error
    return converted


def packages_of(module: str) -> List[str]:
    """The packages in a list such as `cabot_alert_slack==0.6,cabot_alert_hipchat`."""
    names = [re.split(r"[<>=!~\[]", part)[0].strip() for part in re.split(r"[,\s]+", module)]
    names = [re.sub(r"\.(models|plugin)$", "", name.partition(":")[0]) for name in names if name]
    if not names:
        raise Misconfigured(
            "run.module is a list of packages, as in CABOT_PLUGINS_ENABLED: cabot_alert_slack,…"
        )
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise Misconfigured(f"run.module: {name!r} is not the name of a Python package")
        places_of(name)
    return list(dict.fromkeys(names))


def places_of(name: str) -> List[str]:
    """The folders of a package, or the file of a module."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        raise Misconfigured(
            f"there is no package {name}: is it in run.requirements, or in the plugin's folder?"
        )
    return list(spec.submodule_search_locations or ([spec.origin] if spec.origin else []))


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a source file, converted if need be, with the built-in names of Python 2."""

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        """For the import system."""
        source = bytes(data) if isinstance(data, (bytes, bytearray, memoryview)) else None
        if source is not None and not is_python_3(source, str(path)):
            logger.warning("%s is written for Python 2 and was converted", path)
            data = convert(source, str(path))
        return super().source_to_code(data, path, _optimize=_optimize)  # type: ignore[call-arg]

    def exec_module(self, module: types.ModuleType) -> None:
        """For the import system."""
        for name, value in BUILTINS.items():
            module.__dict__.setdefault(name, value)
        super().exec_module(module)


class Finder:
    """Finds the packages of plugins, and what is in them, for `Loader`."""

    def __init__(self, packages: Iterable[str]) -> None:
        self.packages = tuple(packages)

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[types.ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """For the import system."""
        if fullname.partition(".")[0] not in self.packages:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec

    def install(self) -> "Finder":
        """From now on."""
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]
        return self


def sources(places: Iterable[str]) -> Iterable[str]:
    """The Python files in these folders, and these files."""
    count = 0
    for place in places:
        if os.path.isfile(place):
            yield place
            continue
        for folder, folders, files in os.walk(place):
            folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
            for name in sorted(files):
                if name.endswith(".py"):
                    count += 1
                    if count > MAX_FILES:
                        raise Misconfigured(f"there are more than {MAX_FILES} files in {place}")
                    yield os.path.join(folder, name)


def port(places: Iterable[str], tell: Callable[[str], Any]) -> List[str]:
    """Rewrites what this Python cannot read and tells which files; returns what went wrong with others, which
    are left as they are. Symbolic links are not followed."""
    wrong = []
    for path in sources(places):
        if os.path.islink(path):
            continue
        with open(path, "rb") as file:
            source = file.read(MAX_SOURCE + 1)
        if is_python_3(source, path):
            continue
        try:
            converted = convert(source, path).encode(encoding_of(source))
        except (SyntaxError, ValueError) as error:
            wrong.append(str(error))
            continue
        with open(path + ".new", "wb") as file:
            file.write(converted)
        os.chmod(path + ".new", os.stat(path).st_mode)
        os.replace(path + ".new", path)
        tell(path)
    return wrong


def main(places: List[str]) -> int:
    """The command."""
    if not places:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if places[0] == "--module":
            names = (name for place in places[1:] for name in packages_of(place))
            places = [place for name in names for place in places_of(name)]
        failed = port(places, lambda path: print(f"converted {path}"))
    except (OSError, Misconfigured) as error:
        failed = [str(error)]
    for line in failed:
        print(f"error: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
