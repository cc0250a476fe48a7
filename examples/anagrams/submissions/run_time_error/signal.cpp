// Dies by SIGABRT: nobody catches the exception.
#include <iostream>
#include <string>
#include <vector>

int main() {
    std::vector<std::string> words;
    std::cout << words.at(1) << '\n';
}
