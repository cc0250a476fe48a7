import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StreamTokenizer;
import java.util.Locale;

public class Polygon {
    public static void main(String[] args) throws IOException {
        StreamTokenizer input = new StreamTokenizer(new BufferedReader(new InputStreamReader(System.in)));
        input.nextToken();
        int count = (int) input.nval;
        long[] x = new long[count];
        long[] y = new long[count];
        for (int i = 0; i < count; i++) {
            input.nextToken();
            x[i] = (long) input.nval;
            input.nextToken();
            y[i] = (long) input.nval;
        }

        long doubledArea = 0;
        double perimeter = 0;
        for (int i = 0, last = count - 1; i < count; last = i++) {
            doubledArea += x[last] * y[i] - x[i] * y[last];
            perimeter += Math.hypot(x[i] - x[last], y[i] - y[last]);
        }
        System.out.printf(Locale.ROOT, "%.1f %.9f%n", Math.abs(doubledArea) / 2.0, perimeter);
    }
}
