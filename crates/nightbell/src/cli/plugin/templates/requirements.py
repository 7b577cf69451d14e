# Prints what an installed package requires: by its name, or by the folder or file that it was installed from.
import importlib.metadata
import json
import os
import re
import sys
import urllib.parse
import urllib.request

name = sys.argv[1]


def origin(distribution):
    told = json.loads(distribution.read_text("direct_url.json") or "{}")
    path = urllib.parse.urlparse(told.get("url", "")).path
    return os.path.realpath(urllib.request.url2pathname(path)) if path else ""


if os.path.exists(name):
    here = os.path.realpath(name)
    name = next((it.metadata["Name"] for it in importlib.metadata.distributions() if origin(it) == here), "")
else:
    # without the versions and extras that are wanted of it
    name = re.match(r"[A-Za-z0-9._-]*", name).group()
for requirement in (importlib.metadata.requires(name) if name else None) or []:
    if "extra ==" not in requirement:
        print(requirement)
