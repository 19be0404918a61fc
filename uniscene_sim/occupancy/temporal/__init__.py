"""Occupancy over time: generators of the whole window around the ego, agents included, from layouts and the past.

`occdit` is AnyScene's causal transformer, `occ_uniscene` UniScene's; `engine` puts them into the loop. What needs torch
is imported only when one of them is asked for.
"""
