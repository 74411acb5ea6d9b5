// Capture and graphs of libcudart.so.13. A graph keeps its nodes in the order of capture; which
// depends on which is not kept, because nothing here runs at the same time.
#include "cudart.h"

using namespace fake;

namespace {

Graph* graph_of(cudaGraph_t graph) { return reinterpret_cast<Graph*>(graph); }
GraphExec* exec_of(cudaGraphExec_t exec) { return reinterpret_cast<GraphExec*>(exec); }

}  // namespace

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  NEEDS_GPU();
  return done(begin_capture(stream_of(stream), mode, nullptr));
}

cudaError_t cudaStreamBeginCaptureToGraph(cudaStream_t stream, cudaGraph_t graph,
                                          const cudaGraphNode_t*, const cudaGraphEdgeData*, size_t,
                                          cudaStreamCaptureMode mode) {
  NEEDS_GPU();
  return done(begin_capture(stream_of(stream), mode, graph_of(graph)));
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* made) {
  NEEDS_GPU();
  Graph* graph = nullptr;
  int error = end_capture(stream_of(stream), &graph);
  if (verbose()) log("captured a graph of %zu nodes", graph ? graph->nodes.size() : 0);
  *made = reinterpret_cast<cudaGraph_t>(graph);
  return done(error);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  NEEDS_GPU();
  *status = static_cast<cudaStreamCaptureStatus>(stream_of(stream)->capture);
  return cudaSuccess;
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData** edges, size_t* count) {
  NEEDS_GPU();
  static thread_local cudaGraphNode_t last;
  Stream* stream = stream_of(handle);
  *status = static_cast<cudaStreamCaptureStatus>(stream->capture);
  bool has_nodes = stream->graph && !stream->graph->nodes.empty();
  if (has_nodes) last = reinterpret_cast<cudaGraphNode_t>(stream->graph->nodes.back());
  if (id) *id = stream->capture_id;
  if (graph) *graph = reinterpret_cast<cudaGraph_t>(stream->graph);
  if (dependencies) *dependencies = &last;
  if (edges) *edges = nullptr;
  if (count) *count = has_nodes ? 1 : 0;
  return cudaSuccess;
}

cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t, cudaGraphNode_t*,
                                                const cudaGraphEdgeData*, size_t, unsigned) {
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  int before = capture_mode_of_thread;
  capture_mode_of_thread = *mode;
  *mode = static_cast<cudaStreamCaptureMode>(before);
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  auto& all = graph_of(graph)->nodes;
  for (size_t i = 0; nodes && i < *count && i < all.size(); ++i) {
    nodes[i] = reinterpret_cast<cudaGraphNode_t>(all[i]);
  }
  *count = all.size();
  return cudaSuccess;
}

cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t, cudaGraphNode_t*, cudaGraphEdgeData*,
                                         size_t* count) {
  *count = 0;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* made, cudaGraph_t graph,
                                          unsigned long long) {
  NEEDS_GPU();
  GraphExec* exec = nullptr;
  int error = instantiate(graph_of(graph), &exec);
  *made = reinterpret_cast<cudaGraphExec_t>(exec);
  return done(error);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  SEEN(cudaGraphLaunch, v10000);
  NEEDS_GPU();
  return done(launch_graph(exec_of(exec), stream_of(stream), call_.correlation));
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (!graph) return cudaSuccess;
  for (auto* node : graph_of(graph)->nodes) delete node;
  delete graph_of(graph);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec_of(exec);
  return cudaSuccess;
}

cudaError_t cudaGraphRetainUserObject(cudaGraph_t, cudaUserObject_t, unsigned, unsigned) {
  return cudaSuccess;
}

cudaError_t cudaUserObjectCreate(cudaUserObject_t* made, void* object, cudaHostFn_t, unsigned,
                                 unsigned) {
  *made = static_cast<cudaUserObject_t>(object);
  return cudaSuccess;
}

cudaError_t cudaUserObjectRelease(cudaUserObject_t, unsigned) { return cudaSuccess; }

}  // extern "C"
