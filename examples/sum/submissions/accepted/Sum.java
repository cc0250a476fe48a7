import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StreamTokenizer;

public class Sum {
    public static void main(String[] args) throws IOException {
        StreamTokenizer input = new StreamTokenizer(new BufferedReader(new InputStreamReader(System.in)));
        input.nextToken();
        int count = (int) input.nval;
        long sum = 0;
        for (int i = 0; i < count; i++) {
            input.nextToken();
            sum += (long) input.nval;
        }
        System.out.println(sum);
    }
}
