"""Streets that others have recorded, as windows of occupancy: a reader for each data set's files, tables of classes,
and what makes windows of labelled sweeps and of voxels. What a reader knows of its format is known nowhere else."""
