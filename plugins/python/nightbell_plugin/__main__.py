"""`python -m nightbell_plugin`; see `runner`."""

from .runner import main

main()
