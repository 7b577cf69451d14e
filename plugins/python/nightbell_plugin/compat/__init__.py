"""Code that was written for other systems, run as it is: one package for each, with `load(arguments) -> Plugin`."""
