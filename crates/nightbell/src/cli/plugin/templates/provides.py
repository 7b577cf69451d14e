# Prints what an installed package is as a plugin: its version, its module, and for which system it was written.
import importlib.metadata
import json
import sys

name = sys.argv[1]
found = importlib.metadata.distribution(name)
points = {}
for point in found.entry_points:
    points.setdefault(point.group, []).append(point.value)
files = [str(file) for file in found.files or []]
tops = {file.split("/")[0] for file in files if file.endswith(".py")}
modules = sorted(top[:-3] if top.endswith(".py") else top for top in tops if not top.startswith("."))
own = points.get("nightbell.plugins", [])
if len(own) > 1:
    sys.exit(f"{name} has several plugins: make a folder for each, with its module: {', '.join(own)}")
elif own:
    module, compat = own[0], ""
elif "sentry.plugins" in points:
    module, compat = ",".join(points["sentry.plugins"]), "sentry"
elif any(module.startswith("cabot_alert_") for module in modules):
    module, compat = ",".join(it for it in modules if it.startswith("cabot_alert_")), "cabot"
elif any(module.startswith("argus_notification") for module in modules):
    module, compat = ",".join(it for it in modules if it.startswith("argus_notification")), "argus"
else:
    sys.exit(f"{name} has no entry point nightbell.plugins or sentry.plugins, and is no plugin of Cabot or Argus")
about = found.metadata["Summary"] or ""
told = {"version": found.version, "module": module, "compat": compat, "about": about}
print(json.dumps(told))
