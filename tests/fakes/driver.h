// SPDX-License-Identifier: Apache-2.0
/// What the fake driver lends to the fakes of what stands on it.
#pragma once

#include <functional>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace fake {

/// Put work on the stream, or on the graph that is recorded; a status of the driver.
int add(void* stream, std::function<void()> work);

/// Memory, streams and graphs that nobody has freed.
int live();

inline int replays = 0, copies_on_device = 0;

}  // namespace fake
