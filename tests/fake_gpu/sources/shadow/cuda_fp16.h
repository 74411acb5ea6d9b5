// Stands in for the header of this name, which needs a CUDA toolkit: cuBLAS's prototypes name the
// type and nothing here looks into it.
#pragma once

struct __half;
