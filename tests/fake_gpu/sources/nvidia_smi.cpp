// The command nvidia-smi, as far as this project and torch ask it: -L and --query-gpu.
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "nvml_state.h"
#include "settings.h"
#include "state.h"

using namespace fake;

namespace {

struct Question {
  bool list = false;
  std::vector<std::string> fields;
  bool header = true, units = true;
  std::string only;  // an index or a UUID; empty: all GPUs
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::stringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

// The value that follows an option, after "=" or as the next argument.
bool takes(const char* option, int count, char** words, int& at, std::string& value) {
  std::string word = words[at], with_value = std::string(option) + "=";
  if (!word.compare(0, with_value.size(), with_value)) {
    value = word.substr(with_value.size());
    return true;
  }
  if (word != option || at + 1 >= count) return false;
  value = words[++at];
  return true;
}

bool read(int count, char** words, Question& question) {
  for (int at = 1; at < count; ++at) {
    std::string value;
    if (!strcmp(words[at], "-L") || !strcmp(words[at], "--list-gpus")) {
      question.list = true;
    } else if (takes("--query-gpu", count, words, at, value)) {
      question.fields = split(value);
    } else if (takes("--format", count, words, at, value)) {
      question.header = value.find("noheader") == std::string::npos;
      question.units = value.find("nounits") == std::string::npos;
    } else if (!takes("--id", count, words, at, question.only) &&
               !takes("-i", count, words, at, question.only)) {
      printf("ERROR: Option %s is not recognized. Please run 'nvidia-smi -h'.\n", words[at]);
      return false;
    }
  }
  return true;
}

std::string with_unit(int64_t value, const char* unit, bool units) {
  return std::to_string(value) + (units ? std::string(" ") + unit : "");
}

// Returns: false where there is no such field. Drivers before 470 know no compute_cap.
bool answer(const Gpu& gpu, const std::string& field, bool units, std::string& into) {
  const Spec& spec = gpu.spec;
  auto mebibytes = [&](size_t bytes) { return with_unit(int64_t(bytes >> 20), "MiB", units); };
  auto total = static_cast<size_t>(spec.memory_bytes);
  if (field == "index") into = std::to_string(gpu.index);
  else if (field == "uuid" || field == "gpu_uuid") into = gpu.uuid_text();
  else if (field == "name" || field == "gpu_name") into = spec.name;
  else if (field == "driver_version") into = driver_version_text();
  else if (field == "count") into = std::to_string(gpus().size());
  else if (field == "pci.bus_id" || field == "gpu_bus_id") into = "0000" + gpu.pci_text();
  else if (field == "memory.total") into = mebibytes(total);
  else if (field == "memory.used") into = mebibytes(used_bytes(gpu));
  else if (field == "memory.free") into = mebibytes(total - std::min(total, used_bytes(gpu)));
  else if (field == "clocks.max.sm") into = with_unit(spec.clock_khz / 1000, "MHz", units);
  else if (field == "temperature.gpu") into = std::to_string(celsius_of(gpu));
  else if (field == "power.draw") into = with_unit(milliwatts_of(gpu) / 1000, "W", units);
  else if (field == "compute_cap" && driver_version() >= 11040)
    into = std::to_string(spec.major) + "." + std::to_string(spec.minor);
  else return false;
  return true;
}

int refuse(int error) {
  if (error == NVML_DRIVER_NOT_LOADED) {
    puts("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure "
         "that the latest NVIDIA driver is installed and running.\n");
    return error;
  }
  if (error == NVML_LIBRARY_NOT_FOUND) {
    puts("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that "
         "the NVIDIA Display Driver is properly installed and present in your system.");
    return error;
  }
  printf("Failed to initialize NVML: %s\n", nvml_error_text(error));
  return error == NVML_UNKNOWN ? 255 : error;
}

int refuse_lost(const Gpu& gpu) {
  printf("Unable to determine the device handle for GPU%d: %s: GPU is lost.  Reboot the system to "
         "recover this GPU\n", gpu.index, gpu.pci_text().c_str());
  return NVML_GPU_IS_LOST;
}

bool is_meant(const Gpu& gpu, const std::string& only) {
  if (only.empty() || only == std::to_string(gpu.index)) return true;
  return only == gpu.uuid_text() || only == gpu.pci_text() || only == "0000" + gpu.pci_text();
}

int query(const Question& question, const std::vector<const Gpu*>& meant) {
  std::string text;
  for (size_t i = 0; question.header && i < question.fields.size(); ++i) {
    text += (i ? ", " : "") + question.fields[i] + (i + 1 == question.fields.size() ? "\n" : "");
  }
  for (auto* gpu : meant) {
    for (size_t i = 0; i < question.fields.size(); ++i) {
      std::string value;
      if (!answer(*gpu, question.fields[i], question.units, value)) {
        printf("Field \"%s\" is not a valid field to query.\n\n", question.fields[i].c_str());
        return 2;
      }
      text += (i ? ", " : "") + value;
    }
    text += "\n";
  }
  fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  Question question;
  if (!read(count, words, question)) return 2;
  if (int error = nvml_init_error()) return refuse(error);
  std::vector<const Gpu*> meant;
  for (auto& gpu : gpus()) {
    if (!is_meant(gpu, question.only)) continue;
    if (marked(Marker::lost, gpu.index)) return refuse_lost(gpu);
    meant.push_back(&gpu);
  }
  if (meant.empty()) {
    puts("No devices were found");
    return 6;
  }
  if (!question.fields.empty()) return query(question, meant);
  for (auto* gpu : meant) {
    printf("GPU %d: %s (UUID: %s)\n", gpu->index, gpu->spec.name, gpu->uuid_text().c_str());
    for (auto& part : gpu->parts) {
      printf("  MIG %-11s Device %2d: (UUID: %s)\n", part.profile.c_str(), part.part,
             part.uuid_text().c_str());
    }
  }
  return 0;
}
