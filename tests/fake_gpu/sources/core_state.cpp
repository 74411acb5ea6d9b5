#include "state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "settings.h"

namespace fake {
namespace {

constexpr int MOST_GPUS = 8;
// How often a process looks for a marker: often enough for a test, too rarely to slow a launch.
constexpr int64_t LOOK_AGAIN_NS = 200000;

struct Shared {
  std::atomic<uint64_t> launches[MOST_GPUS];
};

const std::string& folder() {
  static const auto* path = new std::string(setting("FAKE_GPU_STATE"));
  return *path;
}

std::string path_of(const std::string& file) { return folder() + "/" + file; }

// Without a folder, or where it is gone, the process counts for itself.
Shared* map_shared() {
  const int how = O_RDWR | O_CREAT | O_CLOEXEC;
  int file = folder().empty() ? -1 : open(path_of("shared").c_str(), how, 0600);
  int flags = MAP_SHARED;
  if (file < 0 || ftruncate(file, sizeof(Shared))) flags = MAP_PRIVATE | MAP_ANONYMOUS;
  void* at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, flags,
                  flags == MAP_SHARED ? file : -1, 0);
  if (file >= 0) close(file);
  static Shared of_its_own;
  return at == MAP_FAILED ? &of_its_own : static_cast<Shared*>(at);
}

Shared& shared() {
  static Shared* mapped = map_shared();
  return *mapped;
}

const char* name_of(Marker what) { return what == Marker::lost ? "lost" : "hang"; }

bool exists(const std::string& file) { return !access(path_of(file).c_str(), F_OK); }

struct Looked {
  std::atomic<int64_t> at_ns{0};
  std::atomic<bool> found{false};
};
Looked looked[2][MOST_GPUS];

}  // namespace

void append_to_state(const char* file, const std::string& text) {
  if (folder().empty()) return;
  int to = open(path_of(file).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (to < 0) return;
  if (write(to, text.data(), text.size()) < 0) log("cannot write to %s", path_of(file).c_str());
  close(to);
}

void begin_counting(int gpu) { shared().launches[gpu] = 0; }
void count_launch(int gpu) { shared().launches[gpu]++; }
uint64_t launches(int gpu) { return shared().launches[gpu]; }

bool marked(Marker what, int gpu) {
  if (folder().empty()) return false;
  Looked& last = looked[static_cast<int>(what)][gpu];
  int64_t now = now_ns();
  if (now - last.at_ns < LOOK_AGAIN_NS) return last.found;
  std::string name = name_of(what);
  last.found = exists(name) || exists(name + "." + std::to_string(gpu));
  last.at_ns = now;
  return last.found;
}

void mark(Marker what, int gpu) {
  append_to_state((std::string(name_of(what)) + "." + std::to_string(gpu)).c_str(), "staged\n");
  Looked& last = looked[static_cast<int>(what)][gpu];
  last.found = true;
  last.at_ns = now_ns();
}

int hold_device_file(const std::string& name) {
  if (folder().empty()) return -1;
  mkdir(path_of("dev").c_str(), 0700);
  return open(path_of("dev/" + name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

}  // namespace fake
