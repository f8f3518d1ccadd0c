// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ucontext.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

/// The 32 lanes of one warp, each on a stack of its own. A lane runs until it ends or meets an exchange; when
/// all have met it, the values change hands and the lanes go on.
namespace standin {

constexpr int kLanes = 32;
constexpr size_t kStackBytes = 64 * 1024;

struct Lane {
    std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStackBytes);
    ucontext_t context = {};
    bool running = false;
    float given = 0.f, received = 0.f;
    int partner_mask = 0;
};

struct Warp {
    std::array<Lane, kLanes> lanes;
    ucontext_t scheduler = {};
    int current = 0;
    std::function<void(int)> enter, body;   // before each time that a lane goes on; what a lane does
    void const* scheduler_stack = nullptr;  // what AddressSanitizer must be told on the way back
    size_t scheduler_bytes = 0;
};

inline Warp& warp()
{
    static Warp instance;
    return instance;
}

[[noreturn]] inline void fail(char const* what)
{
    std::fprintf(stderr, "stand-in: %s\n", what);
    std::abort();
}

#if defined(__SANITIZE_ADDRESS__)
inline void leave(void** save, void const* stack, size_t bytes)
{
    __sanitizer_start_switch_fiber(save, stack, bytes);
}
inline void arrive(void* saved, void const** from, size_t* bytes)
{
    __sanitizer_finish_switch_fiber(saved, from, bytes);
}
#else
inline void leave(void**, void const*, size_t) {}
inline void arrive(void*, void const**, size_t*) {}
#endif

inline void lane_main()
{
    Warp& w = warp();
    arrive(nullptr, &w.scheduler_stack, &w.scheduler_bytes);
    w.body(w.current);
    w.lanes[size_t(w.current)].running = false;
    leave(nullptr, w.scheduler_stack, w.scheduler_bytes);
    setcontext(&w.scheduler);
    fail("a lane could not end");
}

inline void run_lane(int index)
{
    Warp& w = warp();
    Lane& lane = w.lanes[size_t(index)];
    w.current = index;
    w.enter(index);
    void* saved = nullptr;
    leave(&saved, lane.stack.get(), kStackBytes);
    swapcontext(&w.scheduler, &lane.context);
    arrive(saved, nullptr, nullptr);
}

inline float exchange(unsigned mask, float value, int partner_mask)
{
    Warp& w = warp();
    if (mask != 0xffffffffu) {
        fail("only exchanges of the whole warp are known");
    }
    int const index = w.current;
    Lane& lane = w.lanes[size_t(index)];
    lane.given = value;
    lane.partner_mask = partner_mask;
    void* saved = nullptr;
    leave(&saved, w.scheduler_stack, w.scheduler_bytes);
    swapcontext(&lane.context, &w.scheduler);
    arrive(saved, &w.scheduler_stack, &w.scheduler_bytes);
    return lane.received;
}

/// Runs body(0) to body(31), and enter(lane) each time that a lane starts or goes on.
inline void run_warp(std::function<void(int)> enter, std::function<void(int)> body)
{
    Warp& w = warp();
    w.enter = std::move(enter);
    w.body = std::move(body);
    for (Lane& lane : w.lanes) {
        getcontext(&lane.context);
        lane.context.uc_stack.ss_sp = lane.stack.get();
        lane.context.uc_stack.ss_size = kStackBytes;
        makecontext(&lane.context, lane_main, 0);
        lane.running = true;
    }
    for (int left = kLanes; left > 0;) {
        left = 0;
        for (int i = 0; i < kLanes; ++i) {
            if (w.lanes[size_t(i)].running) {
                run_lane(i);
                left += w.lanes[size_t(i)].running ? 1 : 0;
            }
        }
        if (left != 0 && left != kLanes) {
            fail("some lanes ended while others wait at an exchange");
        }
        for (int i = 0; i < kLanes && left != 0; ++i) {
            Lane& lane = w.lanes[size_t(i)];
            Lane const& partner = w.lanes[size_t(i ^ lane.partner_mask)];
            if (partner.partner_mask != lane.partner_mask) {
                fail("lanes of one warp exchange with different masks");
            }
            lane.received = partner.given;
        }
    }
}

}  // namespace standin
