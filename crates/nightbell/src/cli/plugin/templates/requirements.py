# Prints what an installed package requires: by its name, or by the folder that it was installed from.
import importlib.metadata
import os
import sys

name = sys.argv[1]
if os.path.isdir(name):
    here = os.path.realpath(name)
    origins = ((it, it.read_text("direct_url.json") or "") for it in importlib.metadata.distributions())
    name = next((it.metadata["Name"] for it, origin in origins if here in origin), "")
name = name.split("==")[0]
for requirement in (importlib.metadata.requires(name) if name else None) or []:
    if "extra ==" not in requirement:
        print(requirement)
