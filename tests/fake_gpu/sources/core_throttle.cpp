// When clocks are not at their highest. A schedule is made of entries BITS[@FROM[-TO]] separated by
// semicolons. FROM and TO count launches on the GPU since the process that came to it last began to
// use it, so that a test needs no luck with time; with an "s" after them they are seconds since the
// state folder was made. TO is past the end; without it the entry holds for good.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <fstream>
#include <limits>
#include <mutex>
#include <sstream>

#include "settings.h"
#include "state.h"

namespace fake {
namespace {

// Reasons that come with slower kernels: power cap, the three slowdowns, power brake.
constexpr uint64_t SLOWING = 0x4 | 0x8 | 0x20 | 0x40 | 0x80;
constexpr int64_t READ_AGAIN_NS = 200000;

struct Entry {
  uint64_t bits;
  double from, to;
  bool in_seconds;
};

std::vector<Entry> parse(const std::string& text) {
  std::vector<Entry> entries;
  std::stringstream stream(text);
  for (std::string word; std::getline(stream, word, ';');) {
    char* at = nullptr;
    Entry entry{strtoull(word.c_str(), &at, 0), 0, std::numeric_limits<double>::infinity(), false};
    if (*at == '@') entry.from = strtod(at + 1, &at);
    if (*at == '-') entry.to = strtod(at + 1, &at);
    entry.in_seconds = *at == 's';
    entries.push_back(entry);
  }
  return entries;
}

bool read_file(const std::string& path, std::string& text) {
  std::ifstream file(path);
  if (!file) return false;
  std::getline(file, text);
  return true;
}

std::string schedule_in_force(int gpu) {
  std::string path = setting("FAKE_GPU_STATE") + "/throttle", text;
  if (read_file(path + "." + std::to_string(gpu), text) || read_file(path, text)) return text;
  return setting("FAKE_GPU_THROTTLE");
}

// By the clock on the wall: that is what files are dated with.
double seconds_since_made() {
  struct stat file;
  if (stat((setting("FAKE_GPU_STATE") + "/made").c_str(), &file)) return 0;
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec - file.st_mtim.tv_sec) +
         static_cast<double>(now.tv_nsec - file.st_mtim.tv_nsec) / 1e9;
}

struct Schedule {
  int64_t read_ns = 0;
  std::vector<Entry> entries;
};

std::vector<Entry> entries_of(int gpu) {
  static std::mutex mutex;
  static Schedule of_gpu[8];
  std::lock_guard<std::mutex> hold(mutex);
  Schedule& schedule = of_gpu[gpu];
  if (now_ns() - schedule.read_ns > READ_AGAIN_NS) {
    schedule.entries = parse(schedule_in_force(gpu));
    schedule.read_ns = now_ns();
  }
  return schedule.entries;
}

}  // namespace

uint64_t throttle_bits(int gpu) {
  uint64_t bits = 0;
  for (auto& entry : entries_of(gpu)) {
    double at = entry.in_seconds ? seconds_since_made() : static_cast<double>(launches(gpu));
    if (entry.from <= at && at < entry.to) bits |= entry.bits;
  }
  return bits;
}

double slowdown(int gpu) {
  static double percent = static_cast<double>(number("FAKE_GPU_SLOWDOWN_PERCENT", 150));
  return throttle_bits(gpu) & SLOWING ? percent / 100 : 1.0;
}

}  // namespace fake
