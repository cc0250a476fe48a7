#include "hostile.h"
#define A(x) x x x x x x x x x x
#define B(x) A(A(A(A(A(x)))))
/* A hundred thousand errors, each with all that the compiler has to say. */
#include <map>
#include <string>
B(std::map<std::string, std::map<std::string, int>> f = std::map<int, std::map<int, std::string>>();)
int attack() { return 0; }
