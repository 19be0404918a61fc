"""Gymnasium environments: `gymnasium.make("UniScene-v0")` and `gymnasium.make_vec("UniScene-v0", num_envs=16)`.

No world is simulated and nothing rendered here; nothing outside needs Gymnasium.
"""
