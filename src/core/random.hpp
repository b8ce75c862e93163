// The random numbers of the core: functions of a key and a counter, with no state to keep.
//
// chainrule/engines/randomness.py states the same in Python, so that another engine can replay
// every order and every mask.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>

namespace chainrule {

// The output function of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA, figure 17).
inline uint64_t mix64(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Number i of the SplitMix64 sequence that starts at this key.
inline uint64_t random64(uint64_t key, uint64_t i) {
    return mix64(key + (i + 1) * 0x9e3779b97f4a7c15u);
}

// A key for what these numbers name, such as a seed and an epoch.
inline uint64_t key_of(std::initializer_list<uint64_t> names) {
    uint64_t key = 0;
    for (uint64_t name : names) key = random64(key ^ name, 0);
    return key;
}

// Number i of a sequence of 32 bits: two multiplications, for where 64 bits would be slow.
inline uint32_t random32(uint64_t key, uint32_t i) {
    uint32_t x = i * 0x9e3779b9u + uint32_t(key);
    x = (x ^ (x >> 16)) * 0x21f0aaadu;
    x ^= uint32_t(key >> 32);
    x = (x ^ (x >> 15)) * 0x735a2d97u;
    return x ^ (x >> 15);
}

// The order in which one epoch visits n samples: the shuffle of Fisher and Yates, from the last
// place to the first.
template <class Index>
void shuffle(Index* order, int64_t n, uint64_t seed, uint64_t epoch) {
    const uint64_t key = key_of({seed, epoch});
    for (int64_t i = 0; i < n; i++) order[i] = Index(i);
    for (int64_t i = n - 1; i > 0; i--) {
        // The high half of the product is uniform on 0..i but for one part in 2^64 / n.
        const unsigned __int128 product = (unsigned __int128)random64(key, i) * uint64_t(i + 1);
        std::swap(order[i], order[uint64_t(product >> 64)]);
    }
}

}  // namespace chainrule
