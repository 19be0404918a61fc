"""Towns made at random, to train and judge models on.

They are written as OpenDRIVE; nothing here is needed to run a scenario."""
