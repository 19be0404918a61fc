"""Recordings in the formats of other tools and of labelled data sets: one file each, one for what they share.

Nothing is rendered here; data sets hold what a replay's sensors measure and its annotator says."""
