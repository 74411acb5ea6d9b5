#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <sstream>

#include "settings.h"
#include "state.h"

namespace fake {

std::string setting(const char* name) {
  const char* text = getenv(name);
  return text ? text : "";
}

int64_t number(const char* name, int64_t fallback) {
  std::string text = setting(name);
  return text.empty() ? fallback : strtoll(text.c_str(), nullptr, 0);
}

bool lists(const char* name, const char* word) {
  std::stringstream words(setting(name));
  for (std::string each; std::getline(words, each, ',');) {
    if (each == word) return true;
  }
  return false;
}

int verbose() {
  static int level = static_cast<int>(number("FAKE_GPU_VERBOSE", 0));
  return level;
}

void log(const char* format, ...) {
  char line[600];
  const int most = sizeof line - 2;
  int length = snprintf(line, sizeof line, "[fake-gpu %d] ", getpid());
  va_list arguments;
  va_start(arguments, format);
  length += vsnprintf(line + length, most - length, format, arguments);
  va_end(arguments);
  length = std::min(length, most);
  line[length++] = '\n';
  if (write(STDERR_FILENO, line, length) < 0) return;  // nobody is left to tell
}

void missing(const char* name) {
  static std::mutex mutex;
  static std::set<std::string> said;
  std::lock_guard<std::mutex> hold(mutex);
  if (!said.insert(name).second) return;
  log("NOT IMPLEMENTED: %s", name);
  append_to_state("missing", std::string(name) + "\n");
}

int64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

}  // namespace fake
