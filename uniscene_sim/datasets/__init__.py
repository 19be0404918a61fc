"""Generation and reading of training data: drives, occupancy windows, LiDAR sweeps.

No model is trained or evaluated here."""
