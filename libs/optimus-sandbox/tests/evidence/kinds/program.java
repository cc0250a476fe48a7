// Uses memory in the way that the first word of its input names, and then waits as many milliseconds as the second one says.
import java.io.*;
import java.util.*;

public class Main {
    static final int MIB = 1 << 20;
    static final List<Object> kept = new ArrayList<>();

    static void writeFile(String path, int bytes) throws IOException {
        try (var file = new FileOutputStream(path)) {
            byte[] data = new byte[1 << 16];
            for (int at = 0; at < bytes; at += data.length) file.write(data);
        }
    }

    static int deeper(int depth) { return depth == 0 ? 1 : deeper(depth - 1) + 1; }

    public static void main(String[] args) throws Exception {
        var in = new BufferedInputStream(System.in, 1 << 16);
        var line = new StringBuilder();
        for (int next; (next = in.read()) > 0 && next != '\n';) line.append((char) next);
        String[] words = line.toString().split(" ");
        switch (words[0]) {
            case "nothing" -> { }
            case "hello" -> System.out.println("hello");
            case "array" -> { byte[] all = new byte[20 * MIB]; Arrays.fill(all, (byte) 1); kept.add(all); }
            case "small" -> { for (int i = 0; i < 100000; i++) kept.add(new int[8]); }
            case "threads" -> {
                var made = new ArrayList<Thread>();
                for (int i = 0; i < 4; i++) made.add(new Thread(() -> {
                    byte[] part = new byte[MIB];
                    synchronized (kept) { kept.add(part); }
                }));
                for (var one : made) one.start();
                for (var one : made) one.join();
            }
            case "file" -> writeFile("/dev/shm/file", 8 * MIB);
            case "recursion" -> deeper(3000);
            case "output" -> {
                var out = new BufferedOutputStream(System.out, 1 << 16);
                byte[] bytes = ("1".repeat(63) + "\n").getBytes();
                for (int at = 0; at < 8 * MIB; at += 64) out.write(bytes);
                out.flush();
            }
            case "input" -> { byte[] all = in.readNBytes(8 * MIB); if (all.length != 8 * MIB) System.exit(93); kept.add(all); }
            case "fill" -> { writeFile("/tmp/fill", 48 * MIB); writeFile("/dev/shm/fill", 48 * MIB); }
            default -> System.exit(95);
        }
        Thread.sleep(Integer.parseInt(words[1]));
    }
}
