// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace fmmp::runtime {

/// SHA-256 (FIPS 180-4) of bytes that come in pieces.
class Sha256 {
public:
    void update(void const* data, size_t size);

    /// 64 hexadecimal digits; nothing may follow.
    std::string hex();

private:
    void block(uint8_t const* bytes);

    std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<uint8_t, 64> pending_{};
    uint64_t size_ = 0;  // bytes so far
};

std::string sha256(std::string const& bytes);

}  // namespace fmmp::runtime
