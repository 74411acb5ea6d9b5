// The backend API of libcudnn.so.9, which cudnn-frontend in torch drives: descriptors give back
// what was put into them, every graph of operations has one engine, and executing a plan is one
// kernel.
#include <cudnn.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <vector>

#include "settings.h"
#include "stream.h"

using namespace fake;

namespace {

struct Handle {
  cudaStream_t stream = nullptr;
};

struct Value {
  cudnnBackendAttributeType_t type;
  int64_t count;
  std::vector<char> bytes;
};

struct Descriptor {
  cudnnBackendDescriptorType_t kind;
  std::map<int, Value> values;
};

Handle* handle_of(cudnnHandle_t handle) { return reinterpret_cast<Handle*>(handle); }

Descriptor* descriptor_of(cudnnBackendDescriptor_t descriptor) {
  return static_cast<Descriptor*>(descriptor);
}

// Enumerations are as wide as int.
size_t width_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR:
      return 1;
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    case CUDNN_TYPE_FRACTION:
      return 8;
    default:
      return 4;
  }
}

int64_t workspace_bytes() {
  static int64_t bytes = number("FAKE_GPU_WORKSPACE_MB", 8) << 20;
  return bytes;
}

// What an engine is asked that nobody set: its answer, or -1 where it has none of its own.
int64_t own_answer(cudnnBackendAttributeName_t name) {
  switch (static_cast<int>(name)) {
    case CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT:
      return 1;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
      return 0;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
    case CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE:
      return workspace_bytes();
    default:
      return -1;
  }
}

// Lists whose entries the caller's own descriptors take: how many there are, or -1.
int64_t length_of(cudnnBackendAttributeName_t name) {
  switch (static_cast<int>(name)) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      return 1;
    case CUDNN_ATTR_ENGINE_KNOB_INFO:
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES:
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
    case CUDNN_ATTR_ENGINE_LAYOUT_INFO:
      return 0;
    default:
      return -1;
  }
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return CUDNN_VERSION; }
size_t cudnnGetCudartVersion() { return 13000; }

cudnnStatus_t cudnnGetProperty(libraryPropertyType which, int* value) {
  *value = which == MAJOR_VERSION   ? CUDNN_MAJOR
           : which == MINOR_VERSION ? CUDNN_MINOR
                                    : CUDNN_PATCHLEVEL;
  return CUDNN_STATUS_SUCCESS;
}

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    default: return "CUDNN_STATUS_NOT_SUPPORTED";
  }
}

void cudnnGetLastErrorString(char* text, size_t length) {
  if (length) text[0] = 0;
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* made) {
  *made = nullptr;
  if (init() || current_device()->trouble()) return CUDNN_STATUS_NOT_INITIALIZED;
  *made = reinterpret_cast<cudnnHandle_t>(new Handle);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle_of(handle)->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
  *stream = handle_of(handle)->stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t kind,
                                           cudnnBackendDescriptor_t* made) {
  *made = new Descriptor{kind, {}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete descriptor_of(descriptor);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t) { return CUDNN_STATUS_SUCCESS; }

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* data) {
  auto* bytes = static_cast<const char*>(data);
  size_t length = data ? static_cast<size_t>(count) * width_of(type) : 0;
  descriptor_of(descriptor)->values[name] = {type, count, {bytes, bytes + length}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t room, int64_t* count,
                                       void* data) {
  int64_t unused;
  int64_t& found = count ? *count : unused;
  if (int64_t answer = own_answer(name); answer >= 0) {
    found = 1;
    if (room && data) *static_cast<int64_t*>(data) = answer;
    return CUDNN_STATUS_SUCCESS;
  }
  if (int64_t length = length_of(name); length >= 0) {
    found = length;
    return CUDNN_STATUS_SUCCESS;
  }
  auto& values = descriptor_of(descriptor)->values;
  auto kept = values.find(name);
  if (kept == values.end()) {
    auto kind = descriptor_of(descriptor)->kind;
    if (verbose()) log("cuDNN descriptor %d has no attribute %d", kind, name);
    found = 0;
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
  const Value& value = kept->second;
  found = value.count;
  size_t length = static_cast<size_t>(std::min(room, value.count)) * width_of(value.type);
  if (data) memcpy(data, value.bytes.data(), std::min(length, value.bytes.size()));
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t,
                                  cudnnBackendDescriptor_t) {
  int error = launch_of_library(handle_of(handle)->stream, "cudnn_fake_engine");
  return error ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
