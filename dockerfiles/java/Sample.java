import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Compiled while the image is built, to learn which of the compiler's classes a program in common needs. */
public class Sample {
    sealed interface Shape permits Circle, Square {}

    record Circle(double radius) implements Shape {}

    record Square(double side) implements Shape {}

    enum Level { LOW, HIGH }

    static double area(Shape shape) {
        if (shape instanceof Circle circle) {
            return Math.PI * circle.radius() * circle.radius();
        }
        return shape instanceof Square square ? square.side() * square.side() : 0;
    }

    public static void main(String[] args) throws IOException {
        var reader = new BufferedReader(new InputStreamReader(System.in));
        Map<String, List<Integer>> lengths = new HashMap<>();
        for (String line; (line = reader.readLine()) != null; ) {
            for (String word : line.split(" ")) {
                lengths.computeIfAbsent(word, key -> new ArrayList<>()).add(word.length());
            }
        }
        try {
            int[][] grid = new int[3][4];
            grid[args.length][0] = switch (Level.valueOf("LOW")) {
                case LOW -> 1;
                case HIGH -> 2;
            };
            System.out.printf("%d %.3f%n", grid[0][0], area(new Circle(1.5)));
        } catch (IllegalArgumentException error) {
            throw new IllegalStateException(error);
        }
        System.out.println(lengths.entrySet().stream()
                .sorted(Map.Entry.comparingByKey(Comparator.naturalOrder()))
                .map(each -> each.getKey() + "=" + each.getValue())
                .collect(Collectors.joining(", ")));
    }
}
