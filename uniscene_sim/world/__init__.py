"""What moves: physics, bodies, traffic, episodes, and the source that runs scenarios.

Nothing here renders, and no engine is known here."""
