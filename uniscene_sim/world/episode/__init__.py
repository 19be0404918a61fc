"""One run of a scenario: where bodies start, what events do, and the verdict.

Nothing here steps the physics."""
