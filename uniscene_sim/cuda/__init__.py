"""The ray-casting engines on CUDA devices; their per-ray functions are the CPU engines', compiled for the GPU by numba.

Only launching lives here: no shading, reflectance or tracing of its own."""
