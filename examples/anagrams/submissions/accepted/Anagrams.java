import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public class Anagrams {
    public static void main(String[] args) throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        int count = Integer.parseInt(input.readLine().trim());
        Map<String, List<String>> groups = new HashMap<>();
        for (int i = 0; i < count; i++) {
            String word = input.readLine().trim();
            char[] letters = word.toCharArray();
            Arrays.sort(letters);
            groups.computeIfAbsent(new String(letters), key -> new ArrayList<>()).add(word);
        }

        StringBuilder output = new StringBuilder();
        for (List<String> group : groups.values()) {
            if (group.size() > 1) {
                Collections.sort(group);
                output.append(String.join(" ", group)).append('\n');
            }
        }
        System.out.print(output);
    }
}
