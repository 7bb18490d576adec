"""The console script `dpattn`."""

from .main import main

__all__ = ["main"]
