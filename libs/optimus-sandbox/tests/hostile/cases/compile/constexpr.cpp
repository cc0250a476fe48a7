#include "hostile.h"
constexpr long spin() { long sum = 0; for (long i = 0; i < 1000000000000; i++) for (long j = 0; j < 200000; j++) sum += i ^ j; return sum; }
template <int n> struct Many { static constexpr long value = spin() + Many<n - 1>::value; };
template <> struct Many<0> { static constexpr long value = 0; };
int attack() { return Many<500>::value; }
