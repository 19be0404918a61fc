"""The ray engines on CUDA devices. The functions of each ray are those of the CPU engines, compiled again by numba."""
