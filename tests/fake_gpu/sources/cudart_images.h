// For which architectures a kernel that nvcc compiled was compiled.
#pragma once

#include "machine.h"

namespace fake {

// Args: wrapper: what generated code gives to __cudaRegisterFatBinary.
// Returns: true as well where the wrapper has a form that is not known here.
bool has_image_for(const void* wrapper, const Spec& spec);

}  // namespace fake
