// The random numbers, against values from other implementations: orders and masks must stay what
// they are, or a seed would no longer name a training run.
#include "random.hpp"

#include "check.hpp"

namespace chainrule::test {
namespace {

void tests() {
    {
        Case c("SplitMix64 from 1234567");  // as published with the reference implementation
        const uint64_t want[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                 4593380528125082431u, 16408922859458223821u};
        for (uint64_t i = 0; i < 5; i++) c.check(random64(1234567, i) == want[i], "differs");
        const uint64_t from_zero[] = {0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x6c45d188009454f};
        for (uint64_t i = 0; i < 3; i++) c.check(random64(0, i) == from_zero[i], "differs");
    }
    {
        Case c("keys");
        c.check(key_of({}) == 0 && key_of({42}) == 0xbdd732262feb6e95, "of one name");
        c.check(key_of({42, 7}) == 0x16062d6c1339e500, "of two");
        c.check(key_of({~uint64_t(42), 7, 1, 2}) == 0x82ff24e42907c983, "of four");
    }
    {
        Case c("32 bits");
        const uint64_t key = 0x0123456789abcdef;
        c.check(random32(0, 0) == 0 && random32(0, 1) == 0x64625032 && random32(0, 2) == 0xd9c0799c,
                "of key 0");
        c.check(random32(key, 0) == 0x0c8bafb0 && random32(key, 1) == 0x2d9874eb &&
                    random32(key, 2) == 0xde2ed21b && random32(key, 1000000) == 0x9fd920dc &&
                    random32(key, 0xffffffff) == 0x12cfcedc, "of another");
    }
    {
        Case c("half of the bits are ones, whichever bit and key");
        for (uint64_t key : {uint64_t(0), uint64_t(1), key_of({42, 0})})
            for (int bit = 0; bit < 32; bit++) {
                const int n = 1 << 14;  // a count's standard deviation is 64
                int ones = 0;
                for (int i = 0; i < n; i++) ones += random32(key, uint32_t(i)) >> bit & 1;
                if (std::abs(ones - n / 2) > 5 * 64) c.fail("bit %d: %d of %d", bit, ones, n);
            }
    }
    {
        Case c("shuffle");
        const std::vector<int64_t> want = {4, 7, 2, 9, 3, 6, 5, 1, 0, 8};
        std::vector<int64_t> order(10);
        shuffle(order.data(), 10, 42, 3);
        c.check(order == want, "another order");
        std::vector<uint32_t> narrow(10);
        shuffle(narrow.data(), 10, 42, 3);
        c.check(std::equal(want.begin(), want.end(), narrow.begin()), "another order in 32 bits");
        shuffle(order.data(), 1, 42, 3);
        c.check(order[0] == 0, "of one");
        shuffle(order.data(), 0, 42, 3);
    }
}

}  // namespace
}  // namespace chainrule::test

int main() { return chainrule::test::run(chainrule::test::tests); }
