"""Speed benchmarks, next to peers measured in the same run.

Only the command line imports from here."""
