// SPDX-License-Identifier: Apache-2.0
#include "files/sha256.h"

#include <algorithm>
#include <cstring>

namespace fmmp::runtime {
namespace {

// First 32 bits of the fractional parts of the cube roots of the first 64 primes.
constexpr uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t turn(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

}  // namespace

void Sha256::update(void const* data, size_t size)
{
    auto const* bytes = static_cast<uint8_t const*>(data);
    while (size > 0) {
        size_t const filled = size_t(size_ % 64);
        if (filled == 0 && size >= 64) {
            block(bytes);
            bytes += 64, size -= 64, size_ += 64;
            continue;
        }
        size_t const taken = std::min(size, 64 - filled);
        std::memcpy(pending_.data() + filled, bytes, taken);
        bytes += taken, size -= taken, size_ += taken;
        if (filled + taken == 64) {
            block(pending_.data());
        }
    }
}

std::string Sha256::hex()
{
    uint64_t const bits = 8 * size_;
    uint8_t const end = 0x80, zero = 0;
    update(&end, 1);
    while (size_ % 64 != 56) {
        update(&zero, 1);
    }
    uint8_t length[8];
    for (int i = 0; i < 8; ++i) {
        length[i] = uint8_t(bits >> (56 - 8 * i));
    }
    update(length, 8);
    std::string text;
    for (uint32_t const word : state_) {
        for (int shift = 28; shift >= 0; shift -= 4) {
            text += "0123456789abcdef"[word >> shift & 15];
        }
    }
    return text;
}

void Sha256::block(uint8_t const* bytes)
{
    uint32_t w[64];
    for (int i = 0; i < 16; ++i) {
        w[i] = uint32_t(bytes[4 * i]) << 24 | uint32_t(bytes[4 * i + 1]) << 16 |
               uint32_t(bytes[4 * i + 2]) << 8 | uint32_t(bytes[4 * i + 3]);
    }
    for (int i = 16; i < 64; ++i) {
        uint32_t const low = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t const high = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (int i = 0; i < 64; ++i) {
        uint32_t const first =
            h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + kRounds[i] + w[i];
        uint32_t const second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    uint32_t const added[8] = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < 8; ++i) {
        state_[i] += added[i];
    }
}

std::string sha256(std::string const& bytes)
{
    Sha256 digest;
    digest.update(bytes.data(), bytes.size());
    return digest.hex();
}

}  // namespace fmmp::runtime
