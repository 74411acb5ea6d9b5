// What the environment asks for, and the ways in which the fake speaks.
#pragma once

#include <cstdint>
#include <string>

namespace fake {

// An environment variable; empty where it is not set. An empty one counts as not set throughout, so
// that a machine can undo what the environment around it stages.
std::string setting(const char* name);
int64_t number(const char* name, int64_t fallback);

// Whether a comma-separated setting holds this word.
bool lists(const char* name, const char* word);

// 0: silent; 1: what is rare; 2: every kernel; 3: every call.
int verbose();

// One line on standard error, written at once.
void log(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Says on standard error, and keeps in the state folder, that a function was called which the fake
// lacks. A test that was given wrong answers by such a function must not pass.
void missing(const char* name);

// Monotonic, shared by all processes of the machine: CLOCK_MONOTONIC.
int64_t now_ns();

}  // namespace fake
