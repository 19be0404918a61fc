"""One run of a scenario: where all start, what events do, and how it is judged.

Nothing here steps the physics."""
