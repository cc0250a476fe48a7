// Goes through all roads until nothing gets shorter: right, but up to 10^10 steps.
#include <cstdint>
#include <iostream>
#include <vector>

struct Road {
    int start, end, length;
};

int main() {
    std::ios::sync_with_stdio(false);
    std::cin.tie(nullptr);
    constexpr std::int64_t unreached = INT64_MAX / 2;
    int places, count;
    std::cin >> places >> count;
    std::vector<Road> roads(count);
    for (auto& [start, end, length] : roads) {
        std::cin >> start >> end >> length;
    }

    std::vector<std::int64_t> distances(places + 1, unreached);
    distances[1] = 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (const auto& [start, end, length] : roads) {
            if (distances[start] < unreached && distances[start] + length < distances[end]) {
                distances[end] = distances[start] + length;
                changed = true;
            }
        }
    }
    for (int place = 1; place <= places; ++place) {
        std::cout << (distances[place] < unreached ? distances[place] : -1) << '\n';
    }
}
