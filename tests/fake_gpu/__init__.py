"""A machine with NVIDIA GPUs that are not there, below the CUDA build of torch; see README.md."""
