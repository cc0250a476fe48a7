#include <cstdint>
#include <functional>
#include <iostream>
#include <queue>
#include <utility>
#include <vector>

int main() {
    std::ios::sync_with_stdio(false);
    std::cin.tie(nullptr);
    int places, roads;
    std::cin >> places >> roads;
    std::vector<std::vector<std::pair<int, int>>> from(places + 1);
    while (roads-- > 0) {
        int start, end, length;
        std::cin >> start >> end >> length;
        from[start].emplace_back(end, length);
    }

    using Reached = std::pair<std::int64_t, int>;
    std::priority_queue<Reached, std::vector<Reached>, std::greater<>> queue;
    std::vector<std::int64_t> distances(places + 1, -1);
    queue.emplace(0, 1);
    while (!queue.empty()) {
        const auto [distance, place] = queue.top();
        queue.pop();
        if (distances[place] >= 0) {
            continue;
        }
        distances[place] = distance;
        for (const auto& [end, length] : from[place]) {
            if (distances[end] < 0) {
                queue.emplace(distance + length, end);
            }
        }
    }

    for (int place = 1; place <= places; ++place) {
        std::cout << distances[place] << '\n';
    }
}
