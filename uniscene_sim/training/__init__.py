"""Training of the learned engines: recipes, losses, batches, the training loop and model cards.

Data are generated in `datasets` and models are scored in `evaluation`, not here."""
