import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/** Comes along with every hostile program in Java: reads what is asked for and does all but the attack. */
class Hostile {
    static int number;

    /** Returns only for an attack. */
    static void main() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c; (c = System.in.read()) > 0 && c != '\n'; ) line.append((char) c);
        String[] words = line.toString().split(" ");
        if (words[0].equals("answer")) System.exit(0);
        if (words[0].equals("honest")) {
            Object me = Files.getAttribute(Path.of("/proc/self/"), "unix:uid");
            for (String place : new String[] {"/box", "/tmp", "/dev/shm"}) look(Path.of(place), me);
            System.out.println("honest " + words[1]);
            System.exit(0);
        }
        number = Integer.parseInt(words[1]);
    }

    private static void look(Path place, Object me) throws IOException {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(place)) {
            for (Path entry : entries) {
                // The runtime's own note of a living process.
                if (entry.getFileName().toString().startsWith("hsperfdata")) continue;
                if (Files.getAttribute(entry, "unix:uid", LinkOption.NOFOLLOW_LINKS).equals(me)) {
                    System.out.println("spoiled: there is already " + entry);
                    System.exit(0);
                }
            }
        }
        Path file = Files.createFile(place.resolve("honest"));
        Files.write(file, new byte[1 << 20]);
        Files.delete(file);
    }
}
