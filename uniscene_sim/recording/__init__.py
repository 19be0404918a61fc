"""Output of a run: preview video, contact sheet and report.

Frames are only read here; nothing is rendered but previews."""
