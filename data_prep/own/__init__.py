"""Faces of a user's own, by any landmark scheme, from four forms of annotation: docs/own-data.md."""
