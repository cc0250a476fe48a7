// Forgets to end its loop, and writes to standard error, which counts as well.
#include <iostream>
#include <string>

int main() {
    const std::string line(1024, '0');
    while (true) {
        std::cerr << line << '\n';
    }
}
