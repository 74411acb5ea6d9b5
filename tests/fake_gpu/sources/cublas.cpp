// libcublas.so.13: a product of matrices is one kernel that computes nothing.
#include <cublas_v2.h>

#include "settings.h"
#include "stream.h"

using namespace fake;

namespace {

struct Handle {
  cudaStream_t stream = nullptr;
  cublasMath_t math = CUBLAS_DEFAULT_MATH;
  cublasPointerMode_t pointers = CUBLAS_POINTER_MODE_HOST;
};

Handle* handle_of(cublasHandle_t handle) { return reinterpret_cast<Handle*>(handle); }

int multiply(void* handle, const char* name) {
  int error = launch_of_library(static_cast<Handle*>(handle)->stream, name);
  return error ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

}  // namespace

extern "C" {

// Of GPUs without room for cuBLAS, either error was seen: the second by older versions of torch.
cublasStatus_t cublasCreate_v2(cublasHandle_t* made) {
  *made = nullptr;
  if (init() || current_device()->trouble()) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (lists("FAKE_GPU_OOM_AT", "cublas")) return CUBLAS_STATUS_ALLOC_FAILED;
  if (lists("FAKE_GPU_OOM_AT", "cublas_init")) return CUBLAS_STATUS_NOT_INITIALIZED;
  *made = reinterpret_cast<cublasHandle_t>(new Handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  delete handle_of(handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  handle_of(handle)->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void*, size_t) {
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  handle_of(handle)->math = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  *mode = handle_of(handle)->math;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  handle_of(handle)->pointers = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t* mode) {
  *mode = handle_of(handle)->pointers;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetSmCountTarget(cublasHandle_t, int) { return CUBLAS_STATUS_SUCCESS; }

}  // extern "C"

// The products take the handle first and are told apart by name only. They are declared by their
// symbols, because all but the first argument is ignored and the headers say it otherwise.
#define PRODUCT(name)                                                              \
  extern "C" __attribute__((visibility("default"))) int fake_##name(void*) __asm__(#name); \
  int fake_##name(void* handle) { return multiply(handle, #name); }

PRODUCT(cublasSgemm_v2)
PRODUCT(cublasDgemm_v2)
PRODUCT(cublasCgemm_v2)
PRODUCT(cublasZgemm_v2)
PRODUCT(cublasGemmEx)
PRODUCT(cublasSgemmEx)
PRODUCT(cublasGemmStridedBatchedEx)
PRODUCT(cublasSgemmStridedBatched)
PRODUCT(cublasDgemmStridedBatched)
PRODUCT(cublasCgemmStridedBatched)
PRODUCT(cublasZgemmStridedBatched)
PRODUCT(cublasSgemmBatched)
PRODUCT(cublasDgemmBatched)
PRODUCT(cublasSgemv_v2)
PRODUCT(cublasDgemv_v2)
PRODUCT(cublasSdot_v2)
PRODUCT(cublasDdot_v2)
