"""Second Look: look a second time at what a model decided."""

__version__ = "0.1.0"
