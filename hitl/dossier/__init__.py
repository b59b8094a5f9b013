"""One case as one file: what the model said, why, what people decided, how to make it again."""

from hitl.dossier.page import dossier_html, dossier_json

__all__ = ["dossier_html", "dossier_json"]
