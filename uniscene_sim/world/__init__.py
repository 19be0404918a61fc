"""The world and its sources: maps, agents, ego dynamics, signals, scenario files."""
