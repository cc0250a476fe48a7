import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public class WordFrequency {
    public static void main(String[] args) throws IOException {
        BufferedReader input =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        int limit = Integer.parseInt(input.readLine().trim());
        Map<String, Integer> counts = new HashMap<>();
        StringBuilder word = new StringBuilder();
        for (int c = input.read(); ; c = input.read()) {
            if (c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
                word.append((char) (c | 0x20));
                continue;
            }
            if (word.length() > 0) {
                counts.merge(word.toString(), 1, Integer::sum);
                word.setLength(0);
            }
            if (c < 0) {
                break;
            }
        }

        List<Map.Entry<String, Integer>> ranked = new ArrayList<>(counts.entrySet());
        ranked.sort(
                Map.Entry.<String, Integer>comparingByValue(Comparator.reverseOrder())
                        .thenComparing(Map.Entry.comparingByKey()));
        StringBuilder output = new StringBuilder();
        for (Map.Entry<String, Integer> entry : ranked.subList(0, Math.min(limit, ranked.size()))) {
            output.append(entry.getKey()).append(' ').append(entry.getValue()).append('\n');
        }
        System.out.print(output);
    }
}
