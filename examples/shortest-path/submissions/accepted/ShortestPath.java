import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.PriorityQueue;

public class ShortestPath {
    private record Reached(int place, long distance) {}

    private static final DataInputStream INPUT =
            new DataInputStream(new BufferedInputStream(System.in, 1 << 16));

    private static int nextInt() throws IOException {
        int c = INPUT.read();
        while (c < '0') {
            c = INPUT.read();
        }
        int number = 0;
        for (; c >= '0'; c = INPUT.read()) {
            number = number * 10 + c - '0';
        }
        return number;
    }

    public static void main(String[] args) throws IOException {
        int places = nextInt();
        int roads = nextInt();
        // The roads from a place: a list that starts at first[place] and goes on at next[road].
        int[] first = new int[places + 1];
        Arrays.fill(first, -1);
        int[] next = new int[roads];
        int[] end = new int[roads];
        int[] length = new int[roads];
        for (int road = 0; road < roads; road++) {
            int start = nextInt();
            end[road] = nextInt();
            length[road] = nextInt();
            next[road] = first[start];
            first[start] = road;
        }

        long[] distance = new long[places + 1];
        Arrays.fill(distance, -1);
        PriorityQueue<Reached> queue = new PriorityQueue<>(Comparator.comparingLong(Reached::distance));
        queue.add(new Reached(1, 0));
        while (!queue.isEmpty()) {
            Reached reached = queue.remove();
            if (distance[reached.place] >= 0) {
                continue;
            }
            distance[reached.place] = reached.distance;
            for (int road = first[reached.place]; road >= 0; road = next[road]) {
                if (distance[end[road]] < 0) {
                    queue.add(new Reached(end[road], reached.distance + length[road]));
                }
            }
        }

        StringBuilder output = new StringBuilder();
        for (int place = 1; place <= places; place++) {
            output.append(distance[place]).append('\n');
        }
        System.out.print(output);
    }
}
