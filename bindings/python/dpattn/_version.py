"""The version of the package; the same as DPATTN_VERSION_* of include/dpattn.h (tests/python/test_abi.py compares)."""

__version__ = "0.1.0"
