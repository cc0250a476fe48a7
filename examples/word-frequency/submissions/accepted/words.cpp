#include <algorithm>
#include <iostream>
#include <iterator>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

int main() {
    std::ios::sync_with_stdio(false);
    std::size_t limit;
    std::cin >> limit;

    std::unordered_map<std::string, int> counts;
    std::string word;
    const auto end_word = [&] {
        if (!word.empty()) {
            ++counts[word];
            word.clear();
        }
    };
    for (std::istreambuf_iterator<char> at(std::cin), end; at != end; ++at) {
        const char lower = static_cast<char>(*at | 0x20);
        if (lower >= 'a' && lower <= 'z' && *at >= 'A') {
            word += lower;
        } else {
            end_word();
        }
    }
    end_word();

    std::vector<std::pair<std::string, int>> ranked(counts.begin(), counts.end());
    std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    ranked.resize(std::min(limit, ranked.size()));
    for (const auto& [text, count] : ranked) {
        std::cout << text << ' ' << count << '\n';
    }
}
