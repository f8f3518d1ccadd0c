// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <utility>

namespace test {

/// Where in its pages a buffer lies: against the forbidden page behind it, or against the one before it.
enum class Against { kEnd, kStart };

/// An array between two pages that no one may touch: a read or write just outside of it ends the process,
/// whatever instruction does it.
template <typename T>
class Guarded {
public:
    explicit Guarded(size_t count, Against against = Against::kEnd) : count_(count)
    {
        size_t const page = size_t(sysconf(_SC_PAGESIZE));
        size_t const inside = (count * sizeof(T) + page - 1) / page * page;
        bytes_ = inside + 2 * page;
        memory_ = mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory_ == MAP_FAILED || mprotect(start() + page, inside, PROT_READ | PROT_WRITE) != 0) {
            std::abort();
        }
        size_t const slack = inside - count * sizeof(T);
        data_ = reinterpret_cast<T*>(start() + page + (against == Against::kEnd ? slack : 0));
    }
    Guarded(Guarded&& other) noexcept { *this = std::move(other); }
    Guarded& operator=(Guarded&& other) noexcept
    {
        std::swap(memory_, other.memory_);
        std::swap(bytes_, other.bytes_);
        std::swap(data_, other.data_);
        std::swap(count_, other.count_);
        return *this;
    }
    ~Guarded()
    {
        if (memory_) {
            munmap(memory_, bytes_);
        }
    }

    T* data() { return data_; }
    T const* data() const { return data_; }
    size_t size() const { return count_; }
    T& operator[](size_t i) { return data_[i]; }
    T const& operator[](size_t i) const { return data_[i]; }

private:
    char* start() const { return static_cast<char*>(memory_); }

    void* memory_ = nullptr;
    size_t bytes_ = 0;
    T* data_ = nullptr;
    size_t count_ = 0;
};

}  // namespace test
