// The older API of libcudnn.so.9, as far as inference uses it: batch normalisation.
#include <cudnn.h>
#include <stdlib.h>

#include "stream.h"

using namespace fake;

extern "C" {

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* made) {
  *made = static_cast<cudnnTensorDescriptor_t>(calloc(1, 256));  // nobody looks into it
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t descriptor) {
  free(descriptor);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetTensorNdDescriptor(cudnnTensorDescriptor_t, cudnnDataType_t, int, const int*,
                                         const int*) {
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBatchNormalizationForwardInference(
    cudnnHandle_t handle, cudnnBatchNormMode_t, const void*, const void*,
    const cudnnTensorDescriptor_t, const void*, const cudnnTensorDescriptor_t, void*,
    const cudnnTensorDescriptor_t, const void*, const void*, const void*, const void*, double) {
  cudaStream_t stream = nullptr;
  cudnnGetStream(handle, &stream);
  int error = launch_of_library(stream, "cudnn_fake_batch_norm");
  return error ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
