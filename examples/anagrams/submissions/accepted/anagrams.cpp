#include <algorithm>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

int main() {
    std::ios::sync_with_stdio(false);
    std::cin.tie(nullptr);
    int count;
    std::cin >> count;
    std::unordered_map<std::string, std::vector<std::string>> groups;
    for (std::string word; std::cin >> word;) {
        std::string letters = word;
        std::sort(letters.begin(), letters.end());
        groups[letters].push_back(word);
    }

    for (auto& [letters, group] : groups) {
        if (group.size() < 2) {
            continue;
        }
        std::sort(group.begin(), group.end());
        const char* separator = "";
        for (const auto& word : group) {
            std::cout << separator << word;
            separator = " ";
        }
        std::cout << '\n';
    }
}
