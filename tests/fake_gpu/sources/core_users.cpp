// Who holds memory of a GPU. A process writes down what it holds, because another one tells of it:
// NVML and nvidia-smi, and the GPU's memory is shared by all.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings.h"
#include "state.h"

namespace fake {
namespace {

// A process that was killed and that nobody has waited for yet holds nothing any more.
bool lives(int pid) {
  char path[64], text[512] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE* file = fopen(path, "r");
  if (!file) return false;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  const char* end_of_name = strrchr(text, ')');
  return end_of_name && strncmp(end_of_name, ") Z", 3) && strncmp(end_of_name, ") X", 3);
}

size_t bytes_in(const std::string& path, int slot) {
  FILE* file = fopen(path.c_str(), "r");
  if (!file) return 0;
  int index;
  size_t bytes, found = 0;
  while (fscanf(file, "%d %zu", &index, &bytes) == 2) {
    if (index == slot) found += bytes;
  }
  fclose(file);
  return found;
}

// FAKE_GPU_PID_OFFSET: in a container NVML tells the process ids of the machine outside.
void collect(const std::string& folder, int slot, bool real, std::vector<User>& into) {
  static int offset = static_cast<int>(number("FAKE_GPU_PID_OFFSET", 0));
  DIR* entries = opendir(folder.c_str());
  if (!entries) return;
  while (dirent* entry = readdir(entries)) {
    int pid = atoi(entry->d_name);
    if (pid <= 0 || (real && !lives(pid))) continue;
    size_t bytes = bytes_in(folder + "/" + entry->d_name, slot);
    if (bytes) into.push_back({real ? pid + offset : pid, bytes});
  }
  closedir(entries);
}

}  // namespace

std::vector<User> users(int slot) {
  std::vector<User> found;
  std::string folder = setting("FAKE_GPU_STATE");
  if (folder.empty()) return found;
  collect(folder + "/processes", slot, true, found);
  collect(folder + "/foreign", slot, false, found);
  return found;
}

void tell_memory(const std::vector<std::pair<int, size_t>>& bytes_by_slot) {
  std::string folder = setting("FAKE_GPU_STATE");
  if (folder.empty()) return;
  mkdir((folder + "/processes").c_str(), 0700);
  std::string path = folder + "/processes/" + std::to_string(getpid()), text;
  for (auto& [slot, bytes] : bytes_by_slot) {
    text += std::to_string(slot) + " " + std::to_string(bytes) + "\n";
  }
  // Renamed into place: a reader never sees half of it.
  std::string fresh = folder + "/processes/new." + std::to_string(getpid());
  FILE* file = fopen(fresh.c_str(), "w");
  if (!file) return;
  fputs(text.c_str(), file);
  fclose(file);
  rename(fresh.c_str(), path.c_str());
}

}  // namespace fake
