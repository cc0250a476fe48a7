#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <vector>

struct Point {
    std::int64_t x, y;
};

int main() {
    std::ios::sync_with_stdio(false);
    std::cin.tie(nullptr);
    int count;
    std::cin >> count;
    std::vector<Point> points(count);
    for (auto& [x, y] : points) {
        std::cin >> x >> y;
    }

    std::int64_t doubled_area = 0;
    double perimeter = 0;
    Point last = points.back();
    for (const Point& point : points) {
        doubled_area += last.x * point.y - point.x * last.y;
        perimeter += std::hypot(point.x - last.x, point.y - last.y);
        last = point;
    }
    std::cout << std::setprecision(17) << std::abs(doubled_area) / 2.0 << ' ' << perimeter << '\n';
}
