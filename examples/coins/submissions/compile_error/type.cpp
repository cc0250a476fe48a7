#include <iostream>
#include <vector>

int main() {
    std::vector<int> ways = 5;
    std::cout << ways[0] << '\n';
}
