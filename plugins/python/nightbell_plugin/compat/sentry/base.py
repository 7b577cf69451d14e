"""The base classes of Sentry's plugins, of all years, and their registry."""

from __future__ import annotations

import contextvars
import logging
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..calls import call
from .forms import fields_of_form
from .objects import Project

logger = logging.getLogger("sentry.plugins")

current_options: contextvars.ContextVar[Optional[Dict[str, Any]]] = contextvars.ContextVar("options", default=None)
"""The settings of the destination under way, for plugins that ask for options without a project."""
site_options: Dict[str, Any] = {}
"""The plugin's own settings: Sentry's options of the site."""


class PluginError(Exception):
    """A plugin says that it failed."""


class InvalidIdentity(PluginError):
    """The other side does not accept who we are."""

    def __init__(self, *args: Any, identity: Any = None) -> None:
        super().__init__(*args)
        self.identity = identity


class PluginMount(type):
    """Gives each plugin what it did not say of itself."""

    def __new__(cls, name: str, bases: Tuple[type, ...], attributes: Dict[str, Any]) -> Any:
        made: Any = super().__new__(cls, name, bases, attributes)
        if str(attributes.get("__module__", "")).startswith(__package__):
            return made  # ours are there to be derived from
        if not made.title:
            made.title = name
        if not made.slug:
            made.slug = made.title.replace(" ", "-").lower()
        if "logger" not in attributes or not made.logger:
            made.logger = logging.getLogger(f"sentry.plugins.{made.slug}")
        return made


class IPlugin:
    """What both generations have."""

    title: str = ""
    slug: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    author_url: str = ""
    resource_links: Any = ()
    conf_key: Optional[str] = None
    conf_title: Optional[str] = None
    project_conf_form: Any = None
    project_conf_template = "sentry/plugins/project_configuration.html"
    site_conf_form: Any = None
    site_conf_template = "sentry/plugins/site_configuration.html"
    user_conf_form: Any = None
    enabled = True
    can_disable = True
    project_default_enabled = False
    required_field: Optional[str] = None
    feature_descriptions: Any = ()
    logger: Any = None
    timeout = 10
    user_agent = "nightbell"
    asset_key: Any = None
    assets: Any = ()
    auth_provider: Any = None

    def is_enabled(self, project: Any = None) -> bool:
        """What stands in a receiver is enabled, but for projects that say otherwise."""
        return bool(self.enabled) and self._options(project).get("enabled") is not False

    # options

    def _options(self, project: Any) -> Dict[str, Any]:
        if isinstance(project, Project):
            options: Dict[str, Any] = project.options
            return options
        return current_options.get() or {}

    def get_option(self, key: str, project: Any = None, user: Any = None) -> Any:
        """A setting of the destination (with a project), or of the plugin."""
        value = self._options(project).get(key)
        return site_options.get(key) if value is None else value

    def set_option(self, key: str, value: Any, project: Any = None, user: Any = None) -> None:
        """Changes a setting for as long as the plugin runs."""
        (self._options(project) if project is not None else site_options)[key] = value

    def unset_option(self, key: str, project: Any = None, user: Any = None) -> None:
        """Takes a setting away for as long as the plugin runs."""
        (self._options(project) if project is not None else site_options).pop(key, None)

    def reset_options(self, project: Any = None, user: Any = None) -> None:
        """Nothing to reset: settings belong to the hub."""

    def enable(self, project: Any = None, user: Any = None) -> None:
        """Nothing to do: receivers say what is enabled."""

    disable = enable

    # its configuration

    def get_conf_key(self) -> str:
        """What its options are called."""
        return self.conf_key or self.get_conf_title().lower().replace(" ", "_")

    def get_conf_title(self) -> str:
        """The heading of its options."""
        return self.conf_title or self.title

    def get_conf_options(self, project: Any = None) -> Dict[str, Any]:
        """All its options."""
        return dict(self._options(project))

    def get_conf_version(self, project: Any = None) -> str:
        """Its version."""
        return self.get_version()

    def get_conf_form(self, project: Any = None) -> Any:
        """The form of its options."""
        return self.project_conf_form if project is not None else self.site_conf_form

    def get_form_initial(self, project: Any = None) -> Dict[str, Any]:
        """What its form begins with."""
        return {}

    def get_config(self, project: Any = None, **_: Any) -> List[Dict[str, Any]]:
        """The fields of its options, from its form."""
        form = self.get_conf_form(project) if project is not None else self.project_conf_form
        return fields_of_form(form) if form is not None else []

    def validate_config_field(self, project: Any, name: str, value: Any, actor: Any = None) -> Any:
        """Looks at one option."""
        return value

    def validate_config(self, project: Any, config: Dict[str, Any], actor: Any = None) -> Dict[str, Any]:
        """Looks at all options."""
        return config

    def has_project_conf(self) -> bool:
        """Whether it has options of a project."""
        return self.project_conf_form is not None

    def has_site_conf(self) -> bool:
        """Whether it has options of the site."""
        return self.site_conf_form is not None

    def can_enable_for_projects(self) -> bool:
        """It can."""
        return True

    def can_configure_for_project(self, project: Any) -> bool:
        """It can."""
        return True

    def is_configured(self, *_: Any, **__: Any) -> bool:
        """Whether all that it needs is given; to be overridden."""
        raise NotImplementedError

    def is_testable(self, **_: Any) -> bool:
        """It is."""
        return True

    def is_hidden(self) -> bool:
        """It is not."""
        return False

    def is_rate_limited(self, *_: Any) -> bool:
        """The hub has limits of its own."""
        return False

    # of itself

    def get_title(self) -> str:
        """Its name."""
        return self.title

    def get_description(self) -> str:
        """What it does."""
        return self.description

    def get_author(self) -> str:
        """Who wrote it."""
        return self.author

    def get_author_url(self) -> str:
        """Where its author is found."""
        return self.author_url

    def get_version(self) -> str:
        """Its version."""
        return self.version

    def get_resource_links(self) -> Any:
        """Pairs of label and address."""
        return self.resource_links

    def get_plugin_type(self) -> str:
        """What kind of plugin it is."""
        return "default"

    def get_metadata(self) -> Dict[str, Any]:
        """Nothing more."""
        return {}

    # what it may do

    def post_process(self, *_: Any, **__: Any) -> None:
        """Told of each event; to be overridden."""

    def is_regression(self, group: Any, event: Any, **_: Any) -> Any:
        """No opinion."""

    def get_tags(self, event: Any, **_: Any) -> Any:
        """None."""

    def get_event_preprocessors(self, *_: Any, **__: Any) -> List[Any]:
        """None."""
        return []

    def get_notification_forms(self, **_: Any) -> List[Any]:
        """None."""
        return []

    def handle_signal(self, name: str, payload: Any) -> None:
        """There are none."""


class Plugin(IPlugin, metaclass=PluginMount):
    """The first generation, which nearly all are of."""


class Plugin2(IPlugin, metaclass=PluginMount):
    """The second generation."""

    def setup(self, bindings: Any) -> None:
        """Nothing is bound."""


class Plugins:
    """The plugins that are there, one of each class."""

    def __init__(self) -> None:
        self.by_class: Dict[type, Any] = {}

    def register(self, cls: Any) -> Any:
        """Adds a class; it may stand over the class as a decorator."""
        if cls not in self.by_class:
            self.by_class[cls] = cls()
        return cls

    def unregister(self, cls: Any) -> Any:
        """Takes a class away."""
        self.by_class.pop(cls, None)
        return cls

    def all(self, version: Optional[int] = 1) -> Iterator[Any]:
        """All of one generation, or of both."""
        kinds = {1: Plugin, 2: Plugin2, None: IPlugin}
        return iter([one for one in self.by_class.values() if isinstance(one, kinds[version])])

    def get(self, slug: str) -> Any:
        """The one of this name."""
        for one in self.by_class.values():
            if one.slug == slug:
                return one
        raise KeyError(slug)

    def exists(self, slug: str) -> bool:
        """Whether there is one of this name."""
        return any(one.slug == slug for one in self.by_class.values())

    def for_project(self, project: Any, version: Optional[int] = 1) -> Iterator[Any]:
        """All of them."""
        return self.all(version)

    def for_site(self, version: Optional[int] = 1) -> Iterator[Any]:
        """All of them."""
        return self.all(version)

    configurable_for_project = for_project

    def first(self, name: str, *arguments: Any, **named: Any) -> Any:
        """The first answer that is not `None`."""
        version = named.pop("version", 1)
        for one in self.all(version):
            answer = call(getattr(one, name), *arguments, **named)
            if answer is not None:
                return answer
        return None


plugins = Plugins()
register = plugins.register
unregister = plugins.unregister


class Response:
    """A page of a plugin; the hub shows none."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments, self.named = arguments, named


class JSONResponse(Response):
    """An answer of a plugin; the hub shows none."""


class Annotation:
    """A word beside a group; the hub shows none."""

    def __init__(self, label: str = "", url: Optional[str] = None, description: Optional[str] = None) -> None:
        self.label, self.url, self.description = label, url, description
