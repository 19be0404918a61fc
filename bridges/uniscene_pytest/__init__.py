"""A plug-in for pytest: `pytest scenarios/` collects every scenario file as tests of a driver.

It only adapts: cases, drivers and verdicts are those of `uniscene_sim.regression`.
"""
