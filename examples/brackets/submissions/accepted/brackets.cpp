#include <iostream>
#include <string>

static bool is_balanced(const std::string& line) {
    std::string awaited;
    for (const char bracket : line) {
        switch (bracket) {
            case '(': awaited += ')'; break;
            case '[': awaited += ']'; break;
            case '{': awaited += '}'; break;
            default:
                if (awaited.empty() || awaited.back() != bracket) {
                    return false;
                }
                awaited.pop_back();
        }
    }
    return awaited.empty();
}

int main() {
    std::ios::sync_with_stdio(false);
    std::cin.tie(nullptr);
    int count;
    std::cin >> count;
    for (std::string line; std::cin >> line;) {
        std::cout << (is_balanced(line) ? "yes\n" : "no\n");
    }
}
