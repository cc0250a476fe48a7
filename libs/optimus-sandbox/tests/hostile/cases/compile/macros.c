#include "hostile.h"
#define A(x) x x x x x x x x x x
#define B(x) A(A(A(A(A(x)))))
#define C(x) B(B(B(x)))
int attack(void) { int n = 0; C(n++;) return n; }
