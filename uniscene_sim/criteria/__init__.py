"""What a drive is judged by: one small measure for each criterion, over any sequence of layouts and their map.

A measure is an immutable accumulator that sees a moment each 0.1 s. `docs/criteria.md` has the definitions and their
sources. Nothing here moves anything: scenarios, recordings and other worlds ask for what they want measured.
"""
