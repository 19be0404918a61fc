"""Drives that others have recorded, read from their data sets and written as recordings that can be run.
Readers of a data set know its files alone; layouts, painted ground and the file are made of what they all give."""
