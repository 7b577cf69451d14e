"""Alert and check plugins of Cabot, run as they are, with the real Django.

`--module` is a list of packages as in `CABOT_PLUGINS_ENABLED`: `cabot_alert_slack,cabot_alert_twilio==1.3`.
Each class of a plugin that sends alerts becomes a kind of destination, `cabot-` and its name; what it keeps of
each user becomes what each person may set; its views become routes.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Dict, List, Sequence

from ...plugin import Plugin
from .. import djangos, oldnames
from ..port import Finder, packages_of
from ..standins import StandIns
from ..watch import begin as watch

if TYPE_CHECKING:
    from ...runner import Arguments

MODELS = f"{__name__}.models"
TABLE: Dict[str, Any] = {
    "cabot.cabotapp.models": MODELS,
    "cabot.cabotapp.alert": MODELS,
    "cabot.cabotapp.views": f"{__name__}.views",
    "cabot.plugins.models": f"{__name__}.plain",
}
"""What can be imported, and from where it is; under `cabot3` too."""
SOCKET_SECONDS = 9
"""How long a connection without a time limit of its own may stay silent."""
NAMES: Dict[str, Any] = {
    "WWW_HTTP_HOST": {"type": "string", "description": "For links; without it, where Nightbell is reached"},
    "WWW_SCHEME": {"enum": ["http", "https"]},
    "JENKINS_API": {"type": "string"},
    "CABOT_FROM_EMAIL": {"type": "string"},
}
"""Settings of Cabot that plugins read."""


def load(arguments: "Arguments") -> Plugin:
    """The packages that were asked for, as one plugin of ours."""
    names = packages_of(arguments.module or os.environ.get("CABOT_PLUGINS_ENABLED", ""))
    socket.setdefaulttimeout(SOCKET_SECONDS)
    djangos.needed()
    both = {**TABLE, **{name.replace("cabot", "cabot3", 1): place for name, place in TABLE.items()}}
    StandIns("Cabot", both, closed=("cabot", "cabot3")).install()
    oldnames.python_2()
    Finder(name.partition(".")[0] for name in names).install()
    single = [name for name in names if not _is_package(name)]
    given = os.environ.get("NIGHTBELL_STATE")
    state = given or tempfile.mkdtemp(prefix="nightbell-cabot-")
    _setup([name for name in names if name not in single], single, state)
    for name in single:
        importlib.import_module(name)
    for name in names:
        _import_if_there(f"{name}.plugin")
    watch()
    from . import running

    plugin = running.plugin_of(names)
    if not given:
        plugin.on_stop(lambda: shutil.rmtree(state, ignore_errors=True))
    return plugin


def _is_package(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.submodule_search_locations is not None


def _import_if_there(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (name, name.rpartition(".")[0]):
            raise


def _setup(packages: Sequence[str], single: Sequence[str], state: str) -> None:
    from django.apps import AppConfig

    class Ours(AppConfig):
        """The models of Cabot."""

        label = "cabotapp"
        path = os.path.dirname(__file__)

    apps: List[Any] = [
        "django.contrib.contenttypes",
        "django.contrib.auth",
        Ours(__name__, sys.modules[__name__]),
    ]
    apps += [*packages, *map(djangos.folder_of, single)]
    from_environment = {name: os.environ[name] for name in NAMES if name in os.environ}
    djangos.begin(
        apps,
        DATABASES=djangos.sqlite(state, "cabot"),
        ROOT_URLCONF=f"{__name__}.web.urls",
        **{
            "WWW_HTTP_HOST": "",
            "WWW_SCHEME": "http",
            "JENKINS_API": "",
            "CABOT_FROM_EMAIL": "",
            **from_environment,
        },
    )
