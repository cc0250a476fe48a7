import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

class Brackets {
    private static boolean isBalanced(String line) {
        char[] awaited = new char[line.length()];
        int depth = 0;
        for (int i = 0; i < line.length(); i++) {
            char bracket = line.charAt(i);
            switch (bracket) {
                case '(' -> awaited[depth++] = ')';
                case '[' -> awaited[depth++] = ']';
                case '{' -> awaited[depth++] = '}';
                default -> {
                    if (depth == 0 || awaited[--depth] != bracket) {
                        return false;
                    }
                }
            }
        }
        return depth == 0;
    }

    public static void main(String[] args) throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        int count = Integer.parseInt(input.readLine().trim());
        StringBuilder output = new StringBuilder();
        for (int i = 0; i < count; i++) {
            output.append(isBalanced(input.readLine().trim()) ? "YES\n" : "NO\n");
        }
        System.out.print(output);
    }
}
