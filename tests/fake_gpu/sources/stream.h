// Streams, events, and the time that passes on them. Nothing runs: a launch moves the moment at
// which its stream becomes free, and whoever waits really waits until then.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "device.h"

namespace fake {

enum class Work { kernel, copy, fill };

struct Node {
  Work work;
  std::string name;
  int64_t duration_ns;
  size_t bytes = 0;
  int direction = 0;  // of a copy: cudaMemcpyKind
  unsigned grid[3] = {}, block[3] = {};
};

struct Graph {
  uint32_t id;
  std::vector<Node*> nodes;  // pointers, because their addresses are handed out
};

struct GraphExec {
  uint32_t id;
  Device* device;
  std::vector<Node> nodes;
};

enum class Capture { none, active, invalidated };  // as cudaStreamCaptureStatus

struct Stream {
  uint32_t id = 0;
  Device* device = nullptr;
  unsigned flags = 0;
  int priority = 0;
  int64_t free_ns = 0;       // when its last work ends
  std::deque<int64_t> ends;  // of the launches that are still queued
  Capture capture = Capture::none;
  unsigned long long capture_id = 0;
  int capture_mode = 0;  // cudaStreamCaptureMode
  Graph* graph = nullptr;
};

struct Event {
  unsigned flags = 0;
  bool recorded = false;
  int64_t ns = 0;
  Device* device = nullptr;
  Stream* captured_on = nullptr;
};

Stream* make_stream(Device* device, unsigned flags, int priority);
Stream* stream_of(void* handle);  // null and the two special handles: the current GPU's own stream
std::vector<Stream*>& all_streams();

// All of these return 0 or an error.
int enqueue(Stream* stream, const Node& node, uint32_t correlation);
int launch(Stream* stream, const std::string& name, const unsigned grid[3], const unsigned block[3],
           void** arguments, uint32_t correlation);
int launch_of_library(void* stream, const char* name);  // of a cuBLAS or cuDNN call
int launch_graph(GraphExec* graph, Stream* stream, uint32_t correlation);
int wait_until(Device* device, int64_t ns);
int synchronize_stream(Stream* stream);
int synchronize_device(Device* device);
int query_stream(Stream* stream);

int record_event(Event* event, Stream* stream);
int query_event(Event* event);
int synchronize_event(Event* event);
int elapsed_ms(float* ms, Event* from, Event* to);
int wait_for_event(Stream* stream, Event* event);

int begin_capture(Stream* stream, int mode, Graph* into);
int end_capture(Stream* stream, Graph** made);
int instantiate(Graph* graph, GraphExec** made);
bool any_capture();
// What must not be called while a stream is captured: an error, and the capture is spoilt.
int forbidden_in_capture();
extern thread_local int capture_mode_of_thread;  // of cudaThreadExchangeStreamCaptureMode

}  // namespace fake
