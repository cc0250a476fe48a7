import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StreamTokenizer;
import java.util.Arrays;

/** Goes through all roads until nothing gets shorter: right, but up to 10^10 steps. */
public class BellmanFord {
    private static final long UNREACHED = Long.MAX_VALUE / 2;

    public static void main(String[] args) throws IOException {
        StreamTokenizer input = new StreamTokenizer(new BufferedReader(new InputStreamReader(System.in)));
        input.nextToken();
        int places = (int) input.nval;
        input.nextToken();
        int[][] roads = new int[(int) input.nval][3];
        for (int[] road : roads) {
            for (int i = 0; i < 3; i++) {
                input.nextToken();
                road[i] = (int) input.nval;
            }
        }

        long[] distance = new long[places + 1];
        Arrays.fill(distance, UNREACHED);
        distance[1] = 0;
        for (boolean changed = true; changed; ) {
            changed = false;
            for (int[] road : roads) {
                if (distance[road[0]] + road[2] < distance[road[1]] && distance[road[0]] < UNREACHED) {
                    distance[road[1]] = distance[road[0]] + road[2];
                    changed = true;
                }
            }
        }

        StringBuilder output = new StringBuilder();
        for (int place = 1; place <= places; place++) {
            output.append(distance[place] < UNREACHED ? distance[place] : -1).append('\n');
        }
        System.out.print(output);
    }
}
