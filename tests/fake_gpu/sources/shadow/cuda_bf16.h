// Stands in for the header of this name; see cuda_fp16.h.
#pragma once

struct __nv_bfloat16;
