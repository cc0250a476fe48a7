#include "hostile.h"
/* Each level has two of the next, no two of them alike. */
template <int depth, long path> struct Tree { typename Tree<depth - 1, path * 2>::type left; typename Tree<depth - 1, path * 2 + 1>::type right; using type = Tree; };
template <long path> struct Tree<0, path> { using type = int; };
Tree<40, 1> tree;
int attack() { return 0; }
